"""arq's cron jobs: each instant once, however many workers know of it."""

import asyncio
import time
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any

from arq.cron import cron
from redis.asyncio import Redis

from .conftest import Serve
from .deadlines import always, eventually
from .stage import stats

EVERY_SECOND = set(range(60))


async def test_an_instant_is_run_once_by_two_workers(serve: Serve, client: Redis) -> None:
    ran: list[str] = []

    async def tick(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["job_id"])

    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(serve(cron_jobs=jobs_of(tick)))
        await eventually(lambda: follow_each_other(ran))
    assert set(Counter(ran).values()) == {1}
    assert all(job_id.startswith("tick:") for job_id in ran)


def follow_each_other(job_ids: list[str]) -> bool:
    """Whether three instants of them do: one may be left out where the machine stood still for a second."""
    instants = {int(job_id.partition(":")[2]) for job_id in job_ids}
    return any({first + 1000, first + 2000} <= instants for first in instants)


def jobs_of(function: Any) -> list[Any]:
    """A worker keeps the next instant in the `CronJob` itself, so each has its own."""
    return [cron(function, name="tick", second=EVERY_SECOND)]


async def test_run_at_startup_runs_at_once(serve: Serve) -> None:
    ran = asyncio.Event()

    async def tick(ctx: dict[Any, Any]) -> None:
        ran.set()

    async with serve(cron_jobs=[cron(tick, name="tick", month=2, day=29, run_at_startup=True)]):
        await asyncio.wait_for(ran.wait(), timeout=20)


async def test_an_instant_does_not_start_before_its_time(serve: Serve) -> None:
    ran: list[float] = []

    async def tick(ctx: dict[Any, Any]) -> None:
        due = int(ctx["job_id"].partition(":")[2]) / 1000
        ran.append(time.time() - due)

    async with serve(cron_jobs=[cron(tick, name="tick", second=EVERY_SECOND)]):
        await eventually(lambda: len(ran) >= 2)
    assert all(late >= 0 for late in ran), ran


async def test_a_cron_job_that_is_not_due_is_not_enqueued(serve: Serve, client: Redis) -> None:
    async def tick(ctx: dict[Any, Any]) -> None:
        raise AssertionError

    async with serve(cron_jobs=[cron(tick, name="tick", month=2, day=29, hour=3)]):
        await always(lambda: True, during=0.3)
    assert await stats(client) == {}


async def test_a_cron_job_that_fails_is_not_run_again_at_the_same_instant(
    serve: Serve, client: Redis
) -> None:
    ran: list[str] = []

    async def tick(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["job_id"])
        raise ValueError

    async with AsyncExitStack() as stack:
        for _ in range(2):
            jobs = [cron(tick, name="tick", second=EVERY_SECOND, keep_result=0)]
            await stack.enter_async_context(serve(cron_jobs=jobs))
        await eventually(lambda: len(set(ran)) >= 3)
    assert set(Counter(ran).values()) == {1}
