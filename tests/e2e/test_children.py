"""Child processes and threads of a real worker: what they outlive, and what they do not."""

import json
import os
import signal
import time

import pytest
from redis.asyncio import Redis

from monarq.jobs import State
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import is_alive, stats

from .conftest import Stage
from .handlers import block, compute, grind, note, run_away

pytestmark = pytest.mark.chaos
LEASE = 2


async def test_children_die_with_a_killed_worker_and_write_nothing_after_it(
    stage: Stage, producer: Producer
) -> None:
    """kill -9 of the worker alone, while nothing in its child could notice it."""
    victim = stage.worker(lease=LEASE)
    await stage.ready(victim)
    handle = await producer.enqueue(grind.of(10**10))  # minutes
    [first] = await eventually(lambda: stage.ledger.starts(handle.job_id))
    assert first.pid != victim.pid
    victim.kill()
    await eventually(lambda: not is_alive(first.pid))
    survivor = stage.worker(lease=LEASE)
    await stage.ready(survivor)
    second_pid = await handle.result(timeout=60)
    assert second_pid not in (first.pid, survivor.pid)
    [end] = stage.ledger.ends(handle.job_id)
    assert end.pid == second_pid


async def test_signals_to_the_whole_group_let_a_child_finish(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    """Ctrl-C and supervisors signal every process of a group: that must not end what the worker waits for."""
    worker = stage.worker(lease=LEASE)
    await stage.ready(worker)
    handle = await producer.enqueue(compute.of(1.5))
    [start] = await eventually(lambda: stage.ledger.starts(handle.job_id))
    for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        os.kill(start.pid, number)
    worker.send(signal.SIGTERM)
    assert await worker.ends() == 0
    assert await handle.result(timeout=5) == start.pid
    assert not is_alive(start.pid)


async def test_a_worker_that_stops_leaves_no_child_behind(stage: Stage, producer: Producer) -> None:
    """The job goes back to the queue, and the process that ran it is gone when the worker is."""
    worker = stage.worker(lease=LEASE, drain_timeout=0.2)
    await stage.ready(worker)
    handle = await producer.enqueue(compute.of(60))
    [start] = await eventually(lambda: stage.ledger.starts(handle.job_id))
    worker.send(signal.SIGTERM)
    assert await worker.ends() == 75
    assert not is_alive(start.pid)
    assert await handle.status() is State.READY


async def test_a_function_that_will_not_return_does_not_keep_a_worker_from_stopping(
    stage: Stage, producer: Producer
) -> None:
    worker = stage.worker(lease=LEASE, drain_timeout=0.2)
    await stage.ready(worker)
    handle = await producer.enqueue(run_away.of(60))
    await eventually(lambda: stage.ledger.starts(handle.job_id))
    told = time.monotonic()
    worker.send(signal.SIGTERM)
    assert await worker.ends() == 75
    assert time.monotonic() - told < 30, "it has waited for it"
    assert await handle.status() is State.READY


async def test_a_busy_child_keeps_its_lease_beside_a_worker_that_would_take_over(
    stage: Stage, producer: Producer, client: Redis
) -> None:
    workers = [stage.worker(lease=LEASE), stage.worker(lease=LEASE)]
    await stage.ready(*workers)
    handle = await producer.enqueue(compute.of(2.5 * LEASE))
    await handle.result(timeout=60)
    assert len(stage.ledger.starts(handle.job_id)) == 1
    assert "refused" not in await stats(client)


async def test_what_blocks_the_loop_is_named_in_the_log(stage: Stage, producer: Producer) -> None:
    worker = stage.worker(lease=LEASE)
    await stage.ready(worker)
    handle = await producer.enqueue(block.of(2.0))
    await handle.result(timeout=60)
    assert await (await producer.enqueue(note.of())).result(timeout=60) == worker.pid
    lines = [json.loads(line) for line in worker.log.splitlines()]
    [started] = [line for line in lines if line["event"] == "worker.started"]
    # a busy machine may keep the loop waiting at other times, too
    blocked = [line for line in lines if line["event"] == "worker.loop_blocked"]
    [line] = [line for line in blocked if line["job_id"] == handle.job_id]
    about = {name: line[name] for name in ("job_id", "kind", "queue", "attempt", "worker")}
    job = {"job_id": handle.job_id, "kind": "e2e.block", "queue": "default", "attempt": 1}
    assert about == job | {"worker": started["worker"]}
    assert "time.sleep(seconds)" in line["stack"]
