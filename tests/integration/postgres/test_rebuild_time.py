"""How long it takes until a Redis that has lost everything is what it was."""

import time
from contextlib import suppress

import psutil
import pytest

from .rows import many, open_pair

_JOBS = 100_000
_SECONDS = 30.0


def cpu_seconds() -> float:
    """What this process and its servers have worked so far: a busy machine sets the clock on the wall."""
    own, worked = psutil.Process(), 0.0
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            worked += sum(process.cpu_times()[:2])
    return worked


@pytest.mark.slow
async def test_a_hundred_thousand_jobs_are_restored_in_half_a_minute(
    redis_url: str, database_url: str
) -> None:
    async with open_pair(redis_url, database_url) as pair:
        await pair.write(many(_JOBS))
        began, worked = time.monotonic(), cpu_seconds()
        done = await pair.reconciler.restore()
        seconds, worked = time.monotonic() - began, cpu_seconds() - worked
        assert done is not None
        assert done.restored == _JOBS
        assert await pair.link.call("ZCARD", "arq:queue") == _JOBS
    print(f"{_JOBS:,} jobs in {seconds:.1f} s, of which {worked:.1f} s were work")
    assert worked < _SECONDS
