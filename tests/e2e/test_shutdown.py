"""SIGTERM: what runs may finish, what cannot goes back at once, and no attempt is spent."""

import asyncio
import signal
import time

import pytest
from redis.asyncio import Redis

from monarq.jobs import State
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import failures_of, stats

from .conftest import Stage
from .handlers import hold, note

pytestmark = pytest.mark.chaos
FINISHED, HANDED_BACK = 0, 75
#: A rule about time holds if the quickest of so many trials keeps it: it judges no busy machine.
TRIALS = 3


async def test_a_job_that_finishes_in_the_drain_time_is_finished(stage: Stage, producer: Producer) -> None:
    """And nothing new is begun meanwhile."""
    worker = stage.worker(drain_timeout=20)
    await stage.ready(worker)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    worker.send(signal.SIGTERM)
    await worker.says("worker.stopping")
    left = await producer.enqueue(note.of())
    stage.gate().touch()
    assert await handle.result(timeout=60) == worker.pid
    assert await worker.ends() == FINISHED
    assert await left.status() is State.READY
    assert stage.ledger.starts(left.job_id) == []


async def test_a_job_that_exceeds_the_drain_time_is_handed_back_at_once(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """Not when its lease would have run out; with no attempt spent, though it has only one."""
    worker = stage.worker(drain_timeout=0.5, lease=30)
    await stage.ready(worker)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    successor = stage.worker(lease=30)
    await stage.ready(successor)

    worker.send(signal.SIGTERM)
    told = time.monotonic()
    await eventually(lambda: len(stage.ledger.starts(handle.job_id)) == 2)
    restarted = stage.ledger.starts(handle.job_id)[1]
    assert restarted.at - told < 10, "not by the end of its lease"
    assert (restarted.pid, restarted.attempt) == (successor.pid, 1)
    assert await worker.ends() == HANDED_BACK
    [interrupted] = await failures_of(client, handle.job_id)
    assert (interrupted.cause, interrupted.spent, interrupted.crashes) == ("interruption", 0, 0)
    assert len(stage.ledger.events("cancelled")) == 1
    stage.gate().touch()
    assert await handle.result(timeout=60) == successor.pid


async def test_a_second_sigterm_hands_back_now(stage: Stage, producer: Producer, client: Redis) -> None:
    worker = stage.worker(drain_timeout=600)
    await stage.ready(worker)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    worker.send(signal.SIGTERM)
    await worker.says("worker.stopping")
    assert worker.alive
    worker.send(signal.SIGTERM)
    assert await worker.ends() == HANDED_BACK
    assert await handle.status() is State.READY
    assert (await stats(client))["released"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_worker_ends_at_once(stage: Stage, client: Redis, number: signal.Signals) -> None:
    took: list[float] = []
    while len(took) < TRIALS and (not took or min(took) > 3):
        worker = stage.worker()
        await stage.ready(worker)
        told = time.monotonic()
        worker.send(number)
        assert await worker.ends() == FINISHED
        took.append(time.monotonic() - told)
        assert await client.keys("monarq:worker:*") == []
    assert min(took) <= 3


async def test_a_worker_that_is_told_to_stop_while_it_starts_does_so(stage: Stage) -> None:
    """At any moment of it: killed by the signal before it listens, in order afterwards; it never hangs."""
    for moment in range(8):
        worker = stage.worker()
        await asyncio.sleep(moment * 0.15)  # a different moment each time is the point
        worker.send(signal.SIGTERM)
        assert await worker.ends() in (FINISHED, -signal.SIGTERM), worker.log


async def test_workers_that_are_replaced_under_load_lose_and_repeat_nothing(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """A rolling deploy, several times, in the middle of a backlog."""
    workers = [stage.worker(concurrency=20) for _ in range(2)]
    for _ in range(3):
        leaving = workers.pop(0)
        await stage.ready(leaving)
        before = len(stage.ledger.starts())
        await producer.enqueue_many(note.of(0.05) for _ in range(500))
        await eventually(lambda before=before: len(stage.ledger.starts()) > before + 100)
        leaving.send(signal.SIGTERM)
        workers.append(stage.worker(concurrency=20))
        assert await leaving.ends() == FINISHED
    total = 3 * 500
    await eventually(lambda: len(stage.ledger.ends()) == total)
    assert len(stage.ledger.counts()) == total
    assert set(stage.ledger.counts().values()) == {1}
    await eventually(lambda: counted(client, total))


async def counted(client: Redis, total: int) -> bool:
    return (await stats(client)).get("succeeded") == total


async def test_a_quiet_worker_finishes_what_runs_and_stays_up(stage: Stage, producer: Producer) -> None:
    """SIGTSTP: for the minutes before a deploy."""
    worker = stage.worker()
    await stage.ready(worker)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    worker.send(signal.SIGTSTP)
    await worker.says("worker.quiet")
    left = await producer.enqueue(note.of())
    stage.gate().touch()
    assert await handle.result(timeout=60) == worker.pid
    other = stage.worker()
    assert await left.result(timeout=60) == other.pid
    assert worker.alive


async def test_sigusr2_logs_what_runs(stage: Stage, producer: Producer) -> None:
    worker = stage.worker()
    await stage.ready(worker)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    worker.send(signal.SIGUSR2)
    await eventually(lambda: any(_tells_of(line, handle.job_id) for line in worker.log.splitlines()))
    stage.gate().touch()
    await handle.result(timeout=60)


def _tells_of(line: str, job_id: str) -> bool:
    return "worker.runs" in line and job_id in line
