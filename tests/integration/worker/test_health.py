"""`monarq health` asks a worker."""

import asyncio
import signal
from typing import Any

import pytest

from monarq.jobs import JobContext, job
from monarq.jobs.cli.app import run
from tests.servers import free_port

from .conftest import Serve


@job("work")
async def work(ctx: JobContext) -> None:
    pass


async def test_a_worker_tells_how_it_is(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    options: dict[str, Any] = {"settings": {"metrics_port": free_port()}}
    async with serve(work, **options) as worker:

        async def health(flag: str) -> tuple[int, str]:
            code = await asyncio.to_thread(run, ["health", flag, "--port", str(worker.vitals.port)])
            told = capsys.readouterr()
            return code, (told.out + told.err).splitlines()[-1]  # the worker logs, too

        assert await health("--live") == (0, "alive")
        assert await health("--ready") == (0, "ready")
        assert await health("--started") == (0, "started")
        worker._quiet(signal.SIGUSR1)
        assert await health("--ready") == (1, "monarq: not ready: worker: it claims no more")
