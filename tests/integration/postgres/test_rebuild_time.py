"""How long it takes until a Redis that has lost everything is what it was."""

import time

import pytest

from .rows import many, open_pair

_JOBS = 100_000
_SECONDS = 30.0


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_hundred_thousand_jobs_are_restored_in_half_a_minute(
    redis_url: str, database_url: str
) -> None:
    async with open_pair(redis_url, database_url) as pair:
        await pair.write(many(_JOBS))
        began = time.monotonic()
        done = await pair.reconciler.restore()
        seconds = time.monotonic() - began
        assert done is not None
        assert done.restored == _JOBS
        assert await pair.link.call("ZCARD", "arq:queue") == _JOBS
    print(f"{_JOBS:,} jobs in {seconds:.1f} s")
    assert seconds < _SECONDS
