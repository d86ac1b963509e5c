"""The holder of a unique key is killed: its key is neither free too early nor held for ever."""

import pytest
from redis.asyncio import Redis

from monarq.jobs import State
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually

from .conftest import Stage
from .handlers import only

pytestmark = pytest.mark.chaos
LEASE = 2


async def test_a_killed_holder_keeps_its_key_until_another_worker_has_ended_its_job(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    victim = stage.worker(lease=LEASE)
    await stage.ready(victim)
    first = await producer.enqueue(only.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts(first.job_id))
    victim.kill()
    while_dead = await producer.enqueue(only.of(str(stage.gate())))
    assert (while_dead.created, while_dead.job_id) == (False, first.job_id)

    survivor = stage.worker(lease=LEASE)
    await eventually(lambda: len(stage.ledger.starts(first.job_id)) == 2)
    assert not (await producer.enqueue(only.of(str(stage.gate())))).created
    stage.gate().touch()
    assert await while_dead.result(timeout=60) == stage.ledger.starts(first.job_id)[1].pid
    assert await client.keys("monarq:unique:*") == []

    second = await producer.enqueue(only.of(str(stage.gate())))
    assert second.created
    assert await second.result(timeout=60) == survivor.pid
    assert await first.status() is State.SUCCEEDED
