"""What a worker process must live through, and two of them share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from monarq import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import failures_of, stats, waiting

from .errands import errand
from .fleet import Fleet, Ledger, fleet_at

Crew = tuple[Fleet, Ledger]


@pytest.fixture
def crew(redis_url: str, tmp_path: Path) -> Iterator[Crew]:
    with fleet_at(redis_url, tmp_path) as crew:
        yield crew


async def test_unusable_arguments_end_as_a_dead_letter_and_the_worker_lives(
    crew: Crew, client: Redis, producer: Producer
) -> None:
    fleet, _ = crew
    worker = await fleet.worker(client)
    body = b'{"m":{"v":1},"t":null,"f":"errand","a":[],"k":{"first":"soon","wrong":1},"et":1764000000000}'
    await client.set("arq:job:poison", body)
    await client.zadd("arq:queue", {"poison": 1})
    await producer.enqueue(errand.of())  # arq's way of enqueueing wakes nobody; this does
    await eventually(lambda: client.zscore("monarq:dead:default", "poison"))
    [failure] = await failures_of(client, "poison")
    assert failure.error_type == "InvalidArguments"
    assert "first" in failure.message
    assert "wrong" in failure.message
    assert await client.get("monarq:dead-letter:poison") == body
    healthy = await producer.enqueue(errand.of())
    assert await healthy.result(timeout=30) == worker.pid


async def test_a_thousand_jobs_through_two_workers_run_once_each(
    crew: Crew, client: Redis, producer: Producer
) -> None:
    fleet, ledger = crew
    workers = [await fleet.worker(client, concurrency="20") for _ in range(2)]
    # long enough for none of them to do all by itself while the other is kept waiting
    handles = await producer.enqueue_many([errand.of(first=0.05) for _ in range(1_000)])
    await eventually(lambda: _nothing_waits(client))
    starts = ledger.starts()
    assert sorted(start.job_id for start in starts) == sorted(handle.job_id for handle in handles)
    assert {start.pid for start in starts} == {worker.pid for worker in workers}
    assert (await stats(client))["succeeded"] == 1_000


async def _nothing_waits(client: Redis) -> bool:
    return await waiting(client) == 0
