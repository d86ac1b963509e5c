"""Workers that die, freeze or block: their jobs run elsewhere, and what they say afterwards is refused."""

import asyncio
import math
import signal
import time

import pytest
from redis.asyncio import Redis

from monarq.jobs import State
from monarq.jobs.store.keys import FENCE
from monarq.producer import Producer
from tests.integration.worker.deadlines import always, eventually
from tests.integration.worker.stage import stats, waiting

from .conftest import Stage
from .handlers import hold, jam, note
from .processes import Process

pytestmark = pytest.mark.chaos
LEASE = 2
#: A rule about time holds if the quickest of so many trials keeps it: it judges no busy machine.  What counts
#: is when a job is taken over; the process that it then runs in may take as long to start as a worker does.
TRIALS = 3


async def test_a_killed_workers_job_restarts_within_lease_and_two_seconds_before_the_backlog(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """kill -9 in mid-job, with 2,000 jobs waiting at a worker that is busy with them."""
    took: list[float] = []
    while len(took) < TRIALS and (not took or min(took) > LEASE + 2):
        took.append(await seconds_to_overtake(stage, producer, client))
        await eventually(lambda: waiting_is_empty(client))
    assert min(took) <= LEASE + 2
    counts = stage.ledger.counts()
    assert (len(counts), counts.total()) == (2_001 * len(took), 2_002 * len(took)), "only orphans start twice"
    assert (await stats(client))["succeeded"] == len(counts)


async def seconds_to_overtake(stage: Stage, producer: Producer, client: Redis) -> float:
    """From the death of a worker until its job is taken over; without end if the backlog was gone before."""
    victim = stage.worker(lease=LEASE, concurrency=1)
    await stage.ready(victim)
    orphan = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts(orphan.job_id))
    ended, begun = len(stage.ledger.ends()), len(stage.ledger.starts())
    await producer.enqueue_many(note.of(0.05) for _ in range(2_000))
    began = time.monotonic()
    survivor = stage.worker(lease=LEASE, concurrency=16)
    await stage.ready(survivor)
    to_start = time.monotonic() - began
    await eventually(lambda: len(stage.ledger.starts()) > begun + 20)

    took = await seconds_until_taken_over(victim, orphan.job_id, client)
    taken = time.monotonic()
    stage.gate().touch()
    await eventually(lambda: len(stage.ledger.starts(orphan.job_id)) == 2)
    overtaken = begun + 2_000 - len(stage.ledger.starts())
    restarted = stage.ledger.starts(orphan.job_id)[1]
    assert restarted.pid not in (victim.pid, survivor.pid), "a suspect runs in a process of its own"
    assert restarted.attempt == 1, "a crash of the worker is no attempt of the job"
    assert await orphan.result(timeout=60) == restarted.pid
    await eventually(lambda: len(stage.ledger.ends()) == ended + 2_001, every=0.1)
    stage.gate().unlink()
    survivor.kill()
    return took if overtaken > 100 and restarted.at - taken < to_start + 1 else math.inf


async def seconds_until_taken_over(victim: Process, job_id: str, client: Redis) -> float:
    """Kill the worker that runs the job, and wait until another one has claimed it."""
    fence = await client.get(FENCE + job_id)

    async def is_held_by_another() -> bool:
        return await client.get(FENCE + job_id) not in (None, fence)

    killed = time.monotonic()
    victim.kill()
    await eventually(is_held_by_another)
    return time.monotonic() - killed


async def waiting_is_empty(client: Redis) -> bool:
    return await waiting(client) == 0


async def test_an_idle_worker_takes_an_orphan_in_time(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """It went to sleep before the job existed, and nobody is left to wake it."""
    took: list[float] = []
    while len(took) < TRIALS and (not took or min(took) > LEASE + 2):
        took.append(await seconds_to_take_over(stage, producer, client))
    assert min(took) <= LEASE + 2


async def seconds_to_take_over(stage: Stage, producer: Producer, client: Redis) -> float:
    """From the death of one of two workers until the other one, which is idle, has taken its job over."""
    began = time.monotonic()
    workers = [stage.worker(lease=LEASE), stage.worker(lease=LEASE)]
    await stage.ready(*workers)
    to_start = time.monotonic() - began
    orphan = await producer.enqueue(hold.of(str(stage.gate())))
    [first] = await eventually(lambda: stage.ledger.starts(orphan.job_id))
    [victim] = [worker for worker in workers if worker.pid == first.pid]
    took = await seconds_until_taken_over(victim, orphan.job_id, client)
    taken = time.monotonic()
    await eventually(lambda: len(stage.ledger.starts(orphan.job_id)) == 2)
    stage.gate().touch()
    await orphan.result(timeout=60)
    stage.gate().unlink()
    for worker in workers:
        if worker is not victim:
            worker.kill()
    return took if stage.ledger.starts(orphan.job_id)[1].at - taken < to_start + 1 else math.inf


@pytest.mark.parametrize("winner_is_done", [True, False], ids=["after the winner", "while the winner runs"])
async def test_a_zombie_is_refused(
    stage: Stage, producer: Producer, client: Redis, winner_is_done: bool
) -> None:
    """Frozen past its lease, it wakes when another has run the job, or runs it: that one's result holds."""
    zombie = stage.worker(lease=LEASE)
    await stage.ready(zombie)
    handle = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts(handle.job_id))
    zombie.send(signal.SIGSTOP)
    winner = stage.worker(lease=LEASE)
    await eventually(lambda: len(stage.ledger.starts(handle.job_id)) == 2)

    first, second = stage.ledger.starts(handle.job_id)
    assert first.pid == zombie.pid
    if winner_is_done:
        stage.gate().touch()
        assert await handle.result(timeout=60) == second.pid
    zombie.send(signal.SIGCONT)
    await zombie.says("job.lease_lost")
    stage.gate().touch()

    assert await handle.result(timeout=60) == second.pid
    counted = await stats(client)
    assert counted["refused"] >= 1, "the zombie said nothing: nothing was tested"
    assert counted["succeeded"] == 1
    assert not counted.keys() & {"dead", "cancelled", "expired", "retrying"}
    assert len(stage.ledger.starts(handle.job_id)) == 2
    assert first.fence < second.fence
    assert await handle.status() is State.SUCCEEDED
    assert await waiting(client) == 0
    assert zombie.alive
    winner.stop()
    assert await (await producer.enqueue(note.of())).result(timeout=60) == zombie.pid


async def test_a_blocked_event_loop_keeps_its_leases(stage: Stage, producer: Producer, client: Redis) -> None:
    """time.sleep for two leases and more, with a neighbour that just waits: neither is started elsewhere."""
    blocked = stage.worker(lease=LEASE)
    await stage.ready(blocked)
    neighbour = await producer.enqueue(hold.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts(neighbour.job_id))
    blocking = await producer.enqueue(jam.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts(blocking.job_id))
    other = stage.worker(lease=LEASE)
    await stage.ready(other)
    await always(lambda: len(stage.ledger.starts()) == 2, during=LEASE * 2 + 0.5)
    stage.gate().touch()
    await blocking.result(timeout=60)
    assert await neighbour.result(timeout=60) == blocked.pid
    assert {start.pid for start in stage.ledger.starts()} == {blocked.pid}
    assert set(stage.ledger.counts().values()) == {1}
    assert "refused" not in await stats(client)


async def test_a_server_that_is_frozen_for_longer_than_a_lease_starts_nothing_twice(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """CLIENT PAUSE past every lease: when it is over, renewals and orphan claims race, and renewals must win,
    or else the loser must be refused."""
    workers = [stage.worker(lease=LEASE, concurrency=10) for _ in range(2)]
    await stage.ready(*workers)
    handles = [await producer.enqueue(note.of(1.0)) for _ in range(10)]
    await eventually(lambda: len(stage.ledger.starts()) == 10)
    await client.execute_command("CLIENT", "PAUSE", int(LEASE * 1500), "ALL")
    await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
    await eventually(lambda: waiting_is_empty(client))
    assert (await stats(client))["succeeded"] == 10
    assert all(worker.alive for worker in workers)
    assert len(stage.ledger.starts()) <= 20


async def test_a_job_longer_than_its_lease_is_run_once(stage: Stage, producer: Producer) -> None:
    """The control: no fault at all, and more than two leases of work."""
    workers = [stage.worker(lease=LEASE) for _ in range(2)]
    await stage.ready(*workers)
    handles = [await producer.enqueue(note.of(2.5 * LEASE)) for _ in range(10)]
    await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
    assert set(stage.ledger.counts().values()) == {1}
