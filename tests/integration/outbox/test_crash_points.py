"""A relay is killed at every point of a batch: no job is lost, and none runs twice."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from monarq import JobContext, Producer, Settings, Worker, job
from monarq.producer.relay import Relay
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import running as working

from .dying_relay import POINTS
from .stage import Stage, carry_all, running

ROOT = Path(__file__).resolve().parents[3]
JOBS = 30


async def die(point: str, settings: Settings) -> None:
    """Run a relay that kills itself there."""
    assert settings.database_url is not None
    environ = os.environ | {
        "MONARQ_REDIS_URL": settings.redis_url.get_secret_value(),
        "MONARQ_DATABASE_URL": settings.database_url.get_secret_value(),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.integration.outbox.dying_relay", point]
    process = await asyncio.create_subprocess_exec(*command, env=environ)
    assert await process.wait() == -signal.SIGKILL


@pytest.mark.parametrize("point", POINTS)
async def test_a_killed_relay_loses_no_job_and_runs_none_twice(
    point: str,
    settings: Settings,
    app: asyncpg.Connection,
    producer: Producer,
    relay: Relay,
    stage: Stage,
) -> None:
    """Between its death and the next relay the jobs that came through have run, and keep no result."""
    started: Counter[int] = Counter()

    @job("order.pack", keep_result=0)
    async def pack(ctx: JobContext, order: int) -> None:
        started[order] += 1

    async with app.transaction():
        await producer.enqueue_many(map(pack.of, range(JOBS)), connection=app)
    await die(point, settings)
    came_through = await stage.in_redis()
    assert len(came_through) == (0 if point in ("before take", "after take", "before send") else JOBS)
    assert len(await stage.outbox()) == (0 if point == "after commit" else JOBS)

    own = settings.model_copy(update={"relay": False})
    async with working([pack], own) as worker:
        await eventually(lambda: len(started) == len(came_through) and not worker.runs)
        assert await carry_all(relay) == (0 if point == "after commit" else JOBS)
        await eventually(lambda: len(started) == JOBS and not worker.runs)
        await eventually(lambda: _is_idle(worker, stage))
    assert started == dict.fromkeys(range(JOBS), 1)
    assert await stage.outbox() == []


async def test_a_relay_in_a_worker_does_the_same(
    settings: Settings, app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    started: Counter[int] = Counter()

    @job("order.pack")
    async def pack(ctx: JobContext, order: int) -> int:
        started[order] += 1
        return order

    async with working([pack], settings):
        async with app.transaction():
            handle = await producer.enqueue(pack.of(7), connection=app)
        assert await handle.result(timeout=20) == 7
        await eventually(stage.is_empty)
    assert started == {7: 1}


async def test_a_job_that_is_rolled_back_is_waited_for_no_longer_than_asked(
    settings: Settings, app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    @job("order.pack")
    async def pack(ctx: JobContext, order: int) -> None: ...

    transaction = app.transaction()
    await transaction.start()
    handle = await producer.enqueue(pack.of(7), connection=app)
    await transaction.rollback()
    async with running(relay):
        with pytest.raises(TimeoutError):
            await handle.result(timeout=0.3)


async def _is_idle(worker: Worker, stage: Stage) -> bool:
    return not worker.runs and not await stage.in_redis()
