"""What becomes in the history of jobs that are cancelled while they wait: no worker has ended them."""

from datetime import timedelta

import asyncpg
from redis.asyncio import Redis

from monarq.jobs.store.keys import queue_keys
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .past import count, greet, row_of

DEFAULT = queue_keys("default")


async def test_a_job_that_is_cancelled_while_it_waits_is_kept_with_who_did_it(
    keeps: Serve, producer: Producer, client: Redis, rows: asyncpg.Connection
) -> None:
    async with keeps(greet):
        await eventually(lambda: client.exists(DEFAULT.history))
        handle = await producer.enqueue(greet.of("ann"), delay=timedelta(hours=1))
        await handle.cancel("not needed", by="bob")
        row = await row_of(rows, handle.job_id)
        assert (row["state"], row["by"], row["reason"]) == ("cancelled", "bob", "not needed")
        assert (row["kind"], row["payload"]) == ("greet", '{"name": "ann"}')
        assert (row["worker"], row["starts"], row["run_ms"]) == (None, 0, None)
        await eventually(lambda: _is_gone(client))


async def _is_gone(client: Redis) -> bool:
    return not await client.exists(DEFAULT.ended)


async def test_what_was_cancelled_is_written_once_by_many_workers(
    keeps: Serve, producer: Producer, client: Redis, rows: asyncpg.Connection
) -> None:
    await client.set(DEFAULT.history, "1")
    handles = [await producer.enqueue(greet.of(str(n)), delay=timedelta(hours=1)) for n in range(30)]
    for handle in handles:
        await handle.cancel(by="bob")
    await client.rpush(DEFAULT.ended, "strange", "[1]")
    assert await client.llen(DEFAULT.ended) == 32
    async with keeps(greet), keeps(greet), keeps(greet):
        await eventually(lambda: _is_gone(client))
    assert await count(rows) == 30


async def test_what_was_cancelled_is_written_once_though_a_worker_died_between_writing_and_taking_it(
    keeps: Serve, producer: Producer, client: Redis, rows: asyncpg.Connection
) -> None:
    await client.set(DEFAULT.history, "1")
    handle = await producer.enqueue(greet.of("ann"), delay=timedelta(hours=1))
    await handle.cancel(by="bob")
    [record] = await client.lrange(DEFAULT.ended, 0, -1)
    async with keeps(greet):
        await row_of(rows, handle.job_id)
        await client.rpush(DEFAULT.ended, record)
        await eventually(lambda: _is_gone(client))
    assert await count(rows) == 1
