"""Jobs that kill their worker: found, and only they are blamed."""

import os
import signal

import pytest
from redis.asyncio import Redis

from monarq.jobs.failure import Cause
from monarq.jobs.state import State
from monarq.producer import JobHandle, Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import dead_letter, failures_of, stats

from .conftest import Stage
from .handlers import hold, pill, stumble

LEASE = 2


@pytest.mark.parametrize(
    ("how", "told"),
    [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV"), (0, "exit code 13")],
    ids=["SIGKILL", "SIGSEGV", "os._exit"],
)
async def test_of_one_pill_and_nine_healthy_jobs_nine_succeed(
    stage: Stage, producer: Producer, client: Redis, how: int, told: str
) -> None:
    gate = str(stage.gate())
    victim = stage.worker(lease=LEASE)
    await stage.ready(victim)
    jobs: list[JobHandle[int]] = [await producer.enqueue(hold.of(gate)) for _ in range(5)]
    deadly = await producer.enqueue(pill.of(gate, how))
    jobs += [await producer.enqueue(hold.of(str(stage.gate("later")))) for _ in range(4)]
    await eventually(lambda: len(stage.ledger.starts()) == 10)
    stage.gate().touch()
    await victim.ends()
    stage.gate("later").touch()

    survivor = stage.worker(lease=LEASE)
    letter = await dead_letter(client, deadly.job_id)
    for handle in jobs:
        await handle.result(timeout=60)

    assert survivor.alive, "it ran the suspects in processes of their own"
    assert letter.last.cause is Cause.CRASH
    assert letter.last.error_type == "JobCrashed"
    assert told in letter.last.message
    assert [failure.crashes for failure in letter.failures] == [0, 1, 2, 3]
    assert {failure.spent for failure in letter.failures} == {0}, "a crash spends no attempt"
    assert await deadly.status() is State.DEAD
    assert (await stats(client))["dead"] == 1
    alone = [start for start in stage.ledger.starts(deadly.job_id) if start.pid != victim.pid]
    assert len({start.pid for start in alone}) == 3, "each time in a fresh process"
    assert survivor.pid not in {start.pid for start in alone}


async def test_suspects_run_one_at_a_time(stage: Stage, producer: Producer) -> None:
    victim = stage.worker(lease=LEASE)
    await stage.ready(victim)
    handles = [await producer.enqueue(hold.of(str(stage.gate()))) for _ in range(3)]
    await eventually(lambda: len(stage.ledger.starts()) == 3)
    victim.kill()

    survivor = stage.worker(lease=LEASE)
    await eventually(lambda: len(stage.ledger.starts()) == 4)
    stage.gate().touch()
    for handle in handles:
        await handle.result(timeout=60)
    starts, ends = stage.ledger.starts()[3:], stage.ledger.ends()
    assert survivor.pid not in {start.pid for start in starts}
    for end, following in zip(ends, starts[1:], strict=False):
        assert end.at <= following.at, "two suspects ran at once"


async def test_who_survives_alone_is_a_suspect_no_more(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """It fails in its own process, by an ordinary error: the next attempt is an ordinary one."""
    victim = stage.worker(lease=LEASE)
    await stage.ready(victim)
    handle = await producer.enqueue(stumble.of(str(stage.gate())))
    await eventually(lambda: stage.ledger.starts())
    victim.kill()
    survivor = stage.worker(lease=LEASE)
    stage.gate().touch()
    assert await handle.result(timeout=60) == survivor.pid
    first, alone, cleared = stage.ledger.starts()
    assert first.pid == victim.pid
    assert alone.pid not in (victim.pid, survivor.pid, os.getpid())
    assert cleared.pid == survivor.pid
    assert await failures_of(client, handle.job_id) == [], "what went wrong is forgotten with a success"
