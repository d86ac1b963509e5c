"""arq's own worker and Monarq's on one queue, with arq's own `enqueue_job` and `Job`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from arq.connections import RedisSettings, create_pool
from redis.asyncio import Redis

from monarq.jobs.store.arq_json import deserialize, serialize
from tests.integration.worker.deadlines import eventually

from .fleet import Fleet, Ledger, fleet_at

JOBS = 300


@pytest.fixture
def crew(redis_url: str, tmp_path: Path) -> Iterator[tuple[Fleet, Ledger]]:
    with fleet_at(redis_url, tmp_path) as crew:
        yield crew


async def test_both_drain_one_queue_and_each_job_runs_once(
    crew: tuple[Fleet, Ledger], client: Redis, redis_url: str
) -> None:
    fleet, ledger = crew
    ours = fleet.command("-m", "monarq.jobs.cli", "worker", "tests.e2e.arq_app.WorkerSettings")
    theirs = fleet.command("-m", "tests.e2e.arq_app")
    settings = RedisSettings.from_dsn(redis_url)
    pool = await create_pool(settings, job_serializer=serialize, job_deserializer=deserialize)
    try:
        await eventually(lambda: client.exists("arq:queue:health-check"))
        await eventually(lambda: client.keys("monarq:worker:*"))
        jobs = []
        while {start.pid for start in ledger.starts()} != {ours.pid, theirs.pid}:
            assert len(jobs) < 10 * JOBS, "one of them takes no part"
            jobs += [await pool.enqueue_job("tally", number) for number in range(JOBS)]
            await eventually(lambda: _is_empty(client))
        expected = [number % JOBS for number in range(len(jobs))]
        assert [await job.result(timeout=60, poll_delay=0.05) for job in jobs if job] == expected
    finally:
        await pool.aclose()
    starts = ledger.starts()
    assert sorted(start.job_id for start in starts) == sorted(job.job_id for job in jobs if job)
    assert {start.attempt for start in starts} == {1}
    assert await _is_empty(client)


async def _is_empty(client: Redis) -> bool:
    return await client.zcard("arq:queue") == 0
