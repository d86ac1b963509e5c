"""What a worker drops of the dead letters, and that it says so."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from monarq.jobs import JobContext, job
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import queue_keys
from monarq.worker.maintenance.pruner import Pruner
from tests.integration.cli.burial import bury

from .conftest import Serve
from .deadlines import eventually
from .stage import stats

QUEUE = queue_keys("default")
A_DAY = timedelta(days=1)


@job("idle")
async def idle(ctx: JobContext) -> None: ...


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    link = Link(from_url(redis_url))
    yield link
    await link.close()


async def age(client: Redis, days: float, *job_ids: str) -> None:
    """Let letters have died so long ago, by the server's clock."""
    seconds, _ = await client.time()
    for job_id in job_ids:
        await client.zadd(QUEUE.dead, {job_id: round((seconds - days * 86_400) * 1000)}, xx=True)


async def left(client: Redis) -> list[str]:
    return [job_id.decode() for job_id in await client.zrange(QUEUE.dead, 0, -1)]


async def test_letters_that_are_too_old_are_dropped(link: Link, client: Redis) -> None:
    old = [f"old{number:03}" for number in range(230)]
    await bury(link, *old, "young")
    await age(client, 1.1, *old)
    await age(client, 0.9, "young")
    assert await Pruner(link, [QUEUE], keep=A_DAY, limit=0).prune(QUEUE) == (230, 0)
    assert await left(client) == ["young"]
    assert await client.exists("monarq:dead-letter:old000", "monarq:failures:old000") == 0


async def test_of_too_many_letters_the_oldest_are_dropped(link: Link, client: Redis) -> None:
    names = [f"n{number:03}" for number in range(250)]
    await bury(link, *names)
    for place, name in enumerate(names):
        await client.zadd(QUEUE.dead, {name: 1000 + place}, xx=True)
    assert await Pruner(link, [QUEUE], keep=timedelta(0), limit=20).prune(QUEUE) == (0, 230)
    assert await left(client) == names[-20:]


async def test_two_workers_that_prune_at_once_do_not_drop_too_many(link: Link, client: Redis) -> None:
    await bury(link, *(f"n{number:03}" for number in range(250)))
    pruners = [Pruner(link, [QUEUE], keep=timedelta(0), limit=100) for _ in range(3)]
    dropped = await asyncio.gather(*(pruner.prune(QUEUE) for pruner in pruners))
    assert sum(too_many for _, too_many in dropped) == 150
    assert len(await left(client)) == 100


async def test_zero_keeps_every_letter_for_ever(link: Link, client: Redis) -> None:
    await bury(link, "a", "b")
    await age(client, 10_000, "a", "b")
    assert await Pruner(link, [QUEUE], keep=timedelta(0), limit=0).prune(QUEUE) == (0, 0)
    assert len(await left(client)) == 2


async def test_what_is_dropped_is_counted_and_logged(link: Link, client: Redis) -> None:
    await bury(link, "a", "b", "c")
    await age(client, 2, "a")
    with capture_logs() as logs:
        await Pruner(link, [QUEUE], keep=A_DAY, limit=1).prune(QUEUE)
        await Pruner(link, [QUEUE], keep=A_DAY, limit=1).prune(QUEUE)
    [line] = logs
    assert line == {
        "event": "worker.dead_letters_pruned",
        "log_level": "warning",
        "queue": "default",
        "too_old": 1,
        "too_many": 1,
        "keep_s": 86_400,
        "limit": 1,
    }
    assert (await stats(client))["pruned"] == 2


async def test_an_entry_without_a_letter_does_not_hold_up_the_others(link: Link, client: Redis) -> None:
    await bury(link, "a", "b")
    await client.zadd(QUEUE.dead, {"ghost": 1.5})
    await age(client, 2, "a")
    await Pruner(link, [QUEUE], keep=A_DAY, limit=0).prune(QUEUE)
    assert await left(client) == ["b"]


async def test_a_worker_prunes_its_queues_and_no_other(serve: Serve, link: Link, client: Redis) -> None:
    await bury(link, "a", "b")
    await bury(link, "elsewhere", "too", queue="mail")
    async with serve(idle, settings={"dead_limit": 1}):
        await eventually(lambda: _is_pruned(client))
    assert await client.zcard(queue_keys("mail").dead) == 2


async def _is_pruned(client: Redis) -> bool:
    return len(await left(client)) == 1
