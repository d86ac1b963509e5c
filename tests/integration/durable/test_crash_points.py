"""Workers that die, or freeze, before and after each step of an end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from monarq.jobs.settings import Settings
from tests.integration.worker.deadlines import eventually
from tests.meta.repository import ROOT

from .crashing_worker import POINTS
from .once_kinds import count, hold, pay
from .stage import Books, Put, Serve

LEASE = {"lease": timedelta(seconds=1)}
OF_ANY_END = [point for point in POINTS if "commit" not in point]
#: The job had ended for PostgreSQL by then: the handler is not run again.
HAS_ENDED = [point for point in OF_ANY_END if "after the end" in point or "redis" in point]


class Processes:
    """Worker processes with both servers."""

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        self._environ = os.environ | {
            "MONARQ_REDIS_URL": settings.redis_url.get_secret_value(),
            "MONARQ_DATABASE_URL": settings.database_url.get_secret_value(),
            "MONARQ_LEASE": "1",
            "MONARQ_RELAY": "false",
        }
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environ: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", *arguments]
        self.all.append(subprocess.Popen(command, cwd=ROOT, env=self._environ | environ))
        return self.all[-1]


@pytest.fixture
def processes(settings: Settings) -> Iterator[Processes]:
    started = Processes(settings)
    yield started
    for process in started.all:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


async def crash(processes: Processes, point: str) -> None:
    process = processes.start("tests.integration.durable.crashing_worker", point)
    await eventually(lambda: process.poll() is not None, within=60)
    assert process.returncode == 9


@pytest.mark.parametrize("point", OF_ANY_END)
async def test_a_job_ends_once_wherever_its_worker_dies(
    serve: Serve, put: Put, books: Books, processes: Processes, tmp_path: Path, point: str
) -> None:
    runs = tmp_path / "runs"
    [handle] = await put(count.of(str(runs)))
    await crash(processes, point)
    async with serve(count, settings=LEASE) as worker:
        result = await handle.result(timeout=60)
        await eventually(lambda: not worker.runs)
        row = await books.row(handle.job_id)
    assert row.state == "succeeded"
    assert result == row.fence
    noted = runs.read_text().splitlines()
    if point in HAS_ENDED:
        assert noted == ["1"]
    else:
        assert noted[-1] == str(row.fence)


@pytest.mark.parametrize("point", ["before the handler's commit", "after the handler's commit"])
async def test_an_effect_happens_once_wherever_its_worker_dies(
    serve: Serve, put: Put, books: Books, processes: Processes, point: str
) -> None:
    [handle] = await put(pay.of(5))
    await crash(processes, point)
    async with serve(pay, settings=LEASE):
        assert await handle.result(timeout=60) == 5
        row = await books.row(handle.job_id)
    assert await books.effects() == [(handle.job_id, 1 if "after" in point else row.fence)]
    assert row.state == "succeeded"


@pytest.mark.parametrize("is_unique", [False, True], ids=["free", "locked out"])
async def test_a_frozen_holder_of_a_transaction_is_undone(
    serve: Serve, put: Put, books: Books, processes: Processes, tmp_path: Path, is_unique: bool
) -> None:
    """Another worker does the job; where both write one row, once the server has ended the first."""
    if is_unique:
        await books.fetch("ALTER TABLE effects ADD PRIMARY KEY (job_id)")
    [handle] = await put(hold.of(str(tmp_path)))
    idle = "1" if is_unique else "60"
    frozen = processes.start(
        "monarq.jobs.cli",
        "worker",
        MONARQ_JOBS="tests.integration.durable.once_kinds",
        MONARQ_ONCE_IDLE_TIMEOUT=idle,
    )
    await eventually((tmp_path / "began-1").exists, within=60)
    frozen.send_signal(signal.SIGSTOP)
    (tmp_path / "gate-2").touch()
    async with serve(hold, settings=LEASE):
        assert await handle.result(timeout=60) == 2
    (tmp_path / "gate-1").touch()
    frozen.send_signal(signal.SIGCONT)
    frozen.send_signal(signal.SIGTERM)
    await eventually(lambda: frozen.poll() is not None, within=60)
    assert await books.effects() == [(handle.job_id, 2)]
    row = await books.row(handle.job_id)
    assert (row.state, row.fence) == ("succeeded", 2)
