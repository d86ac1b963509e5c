"""Redis dies and comes back in the middle of work, more than once."""

import asyncio

import pytest
from redis.asyncio import Redis

from monarq.producer import Producer
from tests.integration.worker.deadlines import always, eventually
from tests.integration.worker.stage import stats, waiting
from tests.servers import ValkeyServer

from .conftest import Stage
from .handlers import hold, note

pytestmark = pytest.mark.chaos
JOBS, RESTARTS = 1_200, 3


async def test_no_job_is_lost_or_run_twice_however_often_redis_restarts(
    durable_stage: Stage, durable_server: ValkeyServer
) -> None:
    """Claims and settles are cut off at any point; each is repeated until its one answer is there."""
    stage, server = durable_stage, durable_server
    workers = [stage.worker(concurrency=20) for _ in range(2)]
    await stage.ready(*workers)
    async with Producer.connect(server.url) as producer:
        handles: list[object] = []
        for _ in range(RESTARTS):
            before = len(stage.ledger.starts())
            handles += await producer.enqueue_many(note.of(0.05) for _ in range(JOBS // RESTARTS))
            await eventually(lambda before=before: len(stage.ledger.starts()) > before + 200)
            server.kill()
            await always(lambda: all(worker.alive for worker in workers), during=0.5)
            await asyncio.to_thread(server.start)
        await eventually(lambda: len(stage.ledger.ends()) == JOBS, within=120)
        async with Redis.from_url(server.url) as client:
            await eventually(lambda: has_settled(client, JOBS))
            assert await waiting(client) == 0
            assert not (await stats(client)).keys() & {"dead", "refused", "failed:crash", "retrying"}
    assert all(worker.alive for worker in workers)
    assert set(stage.ledger.counts()) == {handle.job_id for handle in handles}  # type: ignore[union-attr]
    assert set(stage.ledger.counts().values()) == {1}


async def has_settled(client: Redis, count: int) -> bool:
    return (await stats(client)).get("succeeded") == count


async def test_an_outage_longer_than_the_lease_stops_handlers_and_loses_nothing(
    durable_stage: Stage, durable_server: ValkeyServer
) -> None:
    """A worker that cannot renew stops its handlers before another may start them; they run again after."""
    stage, server = durable_stage, durable_server
    workers = [stage.worker(lease=2, concurrency=10) for _ in range(2)]
    await stage.ready(*workers)
    async with Producer.connect(server.url) as producer:
        held = [await producer.enqueue(hold.of(str(stage.gate()))) for _ in range(6)]
        await eventually(lambda: len(stage.ledger.starts()) == 6)
        server.kill()
        await eventually(lambda: len(stage.ledger.events("cancelled")) == 6)
        await always(lambda: len(stage.ledger.starts()) == 6, during=1.0)
        await asyncio.to_thread(server.start)
        await eventually(lambda: len(stage.ledger.starts()) == 12)
        stage.gate().touch()
        pids = {worker.pid for worker in workers}
        assert {await handle.result(timeout=60) for handle in held} <= pids
        async with Redis.from_url(server.url) as client:
            counted = await stats(client)
    assert counted["succeeded"] == 6
    assert "dead" not in counted
    assert {start.attempt for start in stage.ledger.starts()} == {1}
    for handle in held:
        [cancelled] = stage.ledger.events("cancelled", handle.job_id)
        assert stage.ledger.starts(handle.job_id)[1].at > cancelled.at
