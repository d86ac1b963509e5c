"""Workers see by themselves that Redis has lost jobs, and restore them while they run others."""

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from monarq import JobContext, Order, Producer, job
from monarq.jobs.settings import Settings
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
    """Runs jobs, and counts how often."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()

        @job(KIND, keep_result=0)
        async def handler(ctx: JobContext) -> None:
            self.runs[ctx.job_id] += 1
            await asyncio.sleep(0.01)

        self.handler = handler


@pytest.fixture
async def pair(redis_url: str, database_url: str) -> AsyncIterator[Pair]:
    async with open_pair(redis_url, database_url) as opened:
        yield opened


@pytest.fixture
def work() -> Work:
    return Work()


def settings(redis_url: str, database_url: str, **given: Any) -> Settings:
    lease = timedelta(seconds=3)
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
        await eventually(lambda: all_ended(pair))
    assert ran_before < _JOBS
    assert set(work.runs) == {row.job_id for row in rows}
    # only what ran when it was flushed may have run again
    assert sum(work.runs.values()) - _JOBS <= 3 * _SLOTS


async def test_effects_happen_once_although_redis_is_flushed_again_and_again(
    pair: Pair, redis_url: str, database_url: str
) -> None:
    """Jobs are committed, relayed, run and ended all the while."""
    await pair.sql.execute("CREATE TABLE effects (job_id text)")
    runs: Counter[str] = Counter()

    @job("effect.add", keep_result=0, durable=True)
    async def add(ctx: JobContext) -> None:
        runs[ctx.job_id] += 1
        async with ctx.once() as conn:
            await conn.execute("INSERT INTO effects VALUES ($1)", ctx.job_id)

    asked = [f"effect-{n}" for n in range(600)]
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(running([add], settings(redis_url, database_url)))
        await eventually(lambda: knows_its_redis(pair))
        producer = await stack.enter_async_context(Producer.connect(redis_url))
        for at in range(0, len(asked), 150):
            async with pair.sql.transaction():
                orders = [Order(add.of(), job_id=job_id) for job_id in asked[at : at + 150]]
                await producer.enqueue_many(orders, connection=pair.sql)
            await eventually(lambda at=at: len(runs) > at + 20)  # type: ignore[misc]
            await pair.link.call("FLUSHALL")
        await eventually(lambda: all_ended(pair))
    rows = await pair.sql.fetch("SELECT job_id FROM effects ORDER BY job_id")
    assert [row["job_id"] for row in rows] == sorted(asked)


async def test_jobs_that_a_restart_has_lost_are_restored(work: Work, database_url: str) -> None:
    with ValkeyServer() as server:
        async with open_pair(server.url, database_url) as pair:
            rows = many(50)
            async with running([work.handler], settings(server.url, database_url)):
                await eventually(lambda: knows_its_redis(pair))
                await pair.write(rows)
                server.restart()
                await eventually(lambda: all_ended(pair))
    assert work.runs == Counter(row.job_id for row in rows)


async def test_an_old_snapshot_runs_nothing_that_has_ended(work: Work, database_url: str) -> None:
    """Its jobs wait again; those that came after it are missing."""
    old, new = many(40, prefix="old"), many(20, prefix="new")
    with ValkeyServer() as server:
        async with open_pair(server.url, database_url) as pair:
            await pair.write(old)
            await pair.push(old)
            await pair.link.call("SAVE")
            shutil.copy(server.directory / "dump.rdb", server.directory / "kept.rdb")
            async with running([work.handler], settings(server.url, database_url)):
                await eventually(lambda: all_ended(pair))
                await eventually(lambda: knows_its_redis(pair))
                await pair.write(new)
                server.kill()
                shutil.copy(server.directory / "kept.rdb", server.directory / "dump.rdb")
                server.start()
                await eventually(lambda: all_ended(pair))
                await eventually(lambda: _is_empty(pair))
    assert work.runs == Counter(row.job_id for row in [*old, *new])


async def test_a_job_of_which_redis_has_forgotten_attempts_is_renumbered_and_runs(
    pair: Pair, work: Work, redis_url: str, database_url: str
) -> None:
    """Nothing that Redis says of itself speaks against it."""
    async with running([work.handler], settings(redis_url, database_url)):
        await eventually(lambda: knows_its_redis(pair))
        rows = many(3, fence=40, worker="another")
        await pair.write(rows)
        await pair.push(rows)
        await eventually(lambda: all_ended(pair))
    assert work.runs == Counter(row.job_id for row in rows)


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


async def _is_empty(pair: Pair) -> bool:
    return await pair.waiting() == set()
