"""Dead letters in PostgreSQL, with workers that move them and run what is replayed."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, open_dead_letters
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.replaying import Plan, Replaying, Stopped
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually

QUEUE = queue_keys("default")


class Mend:
    """Whether the cause is mended."""

    is_broken = True


@job("frail", max_attempts=1, keep_result=0)
async def frail(ctx: JobContext, number: int) -> None:
    if Mend.is_broken:
        raise ValueError(f"number {number}")


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    Mend.is_broken = True
    link = Link(from_url(redis_url))
    yield link
    await link.close()


@pytest.fixture
async def letters(link: Link, database_url: str) -> AsyncIterator[DeadLetters]:
    database = open_database(Settings(database_url=database_url))
    yield open_dead_letters(link, database)
    await database.close()


async def bury(serve: Serve, producer: Producer, client: Redis, database_url: str, count: int) -> None:
    """Let jobs die long enough ago, and a worker move them, whose limit for Redis is one letter."""
    async with serve(frail):
        await producer.enqueue_many([frail.of(number) for number in range(count)])
        await eventually(lambda: _has(client, count))
    for job_id in await client.zrange(QUEUE.dead, 0, -1):
        await client.zincrby(QUEUE.dead, -11_000, job_id)
    async with serve(frail, settings={"database_url": database_url, "dead_limit": 1}):
        await eventually(lambda: _has(client, 0))


async def _has(client: Redis, count: int) -> bool:
    found: int = await client.zcard(QUEUE.dead)
    return found == count


async def test_a_worker_moves_every_letter_and_its_limit_drops_none(
    serve: Serve, producer: Producer, client: Redis, letters: DeadLetters, database_url: str
) -> None:
    await bury(serve, producer, client, database_url, 20)
    assert await letters.count() == 20
    [group] = await letters.groups()
    assert (group.count, group.sample.kind) == (20, "frail")


@pytest.mark.parametrize("is_broken", [True, False])
async def test_canaries_from_postgres_are_watched_and_decide(
    serve: Serve,
    producer: Producer,
    client: Redis,
    link: Link,
    letters: DeadLetters,
    database_url: str,
    is_broken: bool,
) -> None:
    await bury(serve, producer, client, database_url, 20)
    Mend.is_broken = is_broken
    async with serve(frail, settings={"database_url": database_url}):
        run = Replaying(letters, link, LetterFilter(), Plan(canary=4, rate=200))
        await run.run()
        expected = (4, 20) if is_broken else (20, 0)
        await eventually(lambda: _has(client, 4 if is_broken else 0))
        assert (len(run.replayed), await letters.count()) == expected
    assert run.stopped is (Stopped.CANARY if is_broken else None)
