"""Workers see by themselves that Redis has lost jobs, and restore them while they run others."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from monarq import JobContext, job
from monarq.jobs.settings import Settings
from monarq.worker import Worker
from monarq.worker.maintenance import epochs
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import running, settings_for
from tests.servers import ValkeyServer

from .rows import KIND, Pair, many, open_pair

_JOBS = 400
_SLOTS = 20


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "EVERY_SECONDS", 0.1)


class Work:
    """Runs jobs, and lets each end as a worker of durable jobs does: in PostgreSQL first."""

    def __init__(self, sql: asyncpg.Pool) -> None:
        self.runs: Counter[str] = Counter()

        @job(KIND, keep_result=0)
        async def handler(ctx: JobContext) -> None:
            self.runs[ctx.job_id] += 1
            await asyncio.sleep(0.01)
            await sql.execute(
                "UPDATE monarq.durable_jobs SET state = 'succeeded', ended_at = now(), fence = $2 "
                "WHERE job_id = $1 AND state IS NULL AND fence <= $2",
                ctx.job_id,
                ctx.fence,
            )

        self.handler = handler


@pytest.fixture
async def pair(redis_url: str, database_url: str) -> AsyncIterator[Pair]:
    async with open_pair(redis_url, database_url) as opened:
        yield opened


@pytest.fixture
async def work(database_url: str) -> AsyncIterator[Work]:
    async with asyncpg.create_pool(database_url, min_size=0, max_size=8) as pool:
        yield Work(pool)


def settings(redis_url: str, database_url: str, **given: Any) -> Settings:
    lease = timedelta(seconds=1)
    return settings_for(redis_url, database_url=database_url, lease=lease, concurrency=_SLOTS, **given)


async def all_ended(pair: Pair) -> bool:
    return await pair.sql.fetchval("SELECT count(*) FROM monarq.durable_jobs WHERE state IS NULL") == 0


async def knows_its_redis(pair: Pair) -> bool:
    known, mark = await pair.watch.read()
    return known is not None and mark.epoch == known.number and not mark.is_rebuilding


async def test_jobs_that_are_flushed_while_workers_run_all_end(
    pair: Pair, work: Work, redis_url: str, database_url: str
) -> None:
    rows = many(_JOBS)
    await pair.write(rows)
    await pair.push(rows)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(running([work.handler], settings(redis_url, database_url)))
        await eventually(lambda: knows_its_redis(pair))
        await eventually(lambda: len(work.runs) > _JOBS // 10)
        await pair.link.call("FLUSHALL")
        ran_before = len(work.runs)
        await eventually(lambda: all_ended(pair), within=40)
    assert ran_before < _JOBS
    assert set(work.runs) == {row.job_id for row in rows}
    # only what ran when it was flushed may have run again
    assert sum(work.runs.values()) - _JOBS <= 3 * _SLOTS


async def test_jobs_that_a_restart_has_lost_are_restored(work: Work, database_url: str) -> None:
    with ValkeyServer() as server:
        async with open_pair(server.url, database_url) as pair:
            rows = many(50)
            async with running([work.handler], settings(server.url, database_url)):
                await eventually(lambda: knows_its_redis(pair))
                await pair.write(rows)
                server.restart()
                await eventually(lambda: all_ended(pair), within=40)
    assert work.runs == Counter(row.job_id for row in rows)


async def test_who_asks_gets_a_look_at_all_jobs(
    pair: Pair, work: Work, redis_url: str, database_url: str
) -> None:
    """Nothing speaks against this Redis, but a worker has met a job that it had lost."""
    async with running([work.handler], settings(redis_url, database_url)) as worker:
        await eventually(lambda: knows_its_redis(pair))
        await pair.write(many(10))
        assert not work.runs
        _epochs(worker).ask("an attempt has the number of an earlier one")
        await eventually(lambda: all_ended(pair))


async def test_a_worker_whose_redis_is_well_restores_nothing(
    pair: Pair, work: Work, redis_url: str, database_url: str
) -> None:
    async with running([work.handler], settings(redis_url, database_url)):
        await eventually(lambda: knows_its_redis(pair))
        before, _ = await pair.watch.read()
        assert before is not None
        await eventually(lambda: _has_beaten(pair, before.beat_ms))
        after, _ = await pair.watch.read()
        assert after is not None
        assert after.number == before.number


async def _has_beaten(pair: Pair, before_ms: int) -> bool:
    known, _ = await pair.watch.read()
    return known is not None and known.beat_ms > before_ms


def _epochs(worker: Worker) -> epochs.Epochs:
    assert worker.persistence is not None
    return worker.persistence.epochs
