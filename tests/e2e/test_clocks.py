"""Workers whose clocks are wrong: the server's clock decides, so nothing is early, late or doubled."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import stats

from .conftest import Stage
from .handlers import note

pytestmark = pytest.mark.chaos
HOUR = 3600


@pytest.mark.parametrize("skew", [HOUR, -HOUR], ids=["an hour ahead", "an hour behind"])
async def test_a_scheduled_job_starts_at_its_time_by_the_servers_clock(
    stage: Stage, producer: Producer, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    """Neither an hour early nor an hour late."""
    monkeypatch.setenv("E2E_CLOCK_SKEW", str(skew))
    worker = stage.worker(module="tests.e2e.skewed_worker")
    await stage.ready(worker)
    asked = time.monotonic()
    handle = await producer.enqueue(note.of(), delay=1.5)
    accepted = time.monotonic()
    assert await handle.result(timeout=60) == worker.pid
    [start] = stage.ledger.starts()
    assert start.at >= asked + 1.5 - 0.002
    assert start.at <= accepted + 1.5 + 10  # of a busy machine; the clock is off by an hour


async def test_leases_hold_between_workers_whose_clocks_are_two_hours_apart(
    stage: Stage, producer: Producer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs of more than two leases: none is taken for an orphan by the one that is ahead."""
    workers = []
    for skew in (HOUR, -HOUR):
        monkeypatch.setenv("E2E_CLOCK_SKEW", str(skew))
        workers.append(stage.worker(module="tests.e2e.skewed_worker", lease=2, concurrency=10))
    await stage.ready(*workers)
    handles = await producer.enqueue_many(note.of(5.0) for _ in range(20))
    await eventually(lambda: len(stage.ledger.starts()) == 20)
    assert {start.pid for start in stage.ledger.starts()} == {worker.pid for worker in workers}
    await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
    assert set(stage.ledger.counts().values()) == {1}
    assert not (await stats(client)).keys() & {"failed:crash", "refused"}


async def test_a_job_expires_by_the_servers_clock(
    stage: Stage, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by that of a worker that is an hour ahead."""
    monkeypatch.setenv("E2E_CLOCK_SKEW", str(HOUR))
    worker = stage.worker(module="tests.e2e.skewed_worker")
    handle = await producer.enqueue(note.of(), expires_in=120)
    assert await handle.result(timeout=60) == worker.pid
