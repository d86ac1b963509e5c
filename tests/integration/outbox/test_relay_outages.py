"""What a relay does while Redis or PostgreSQL is away, or does not serve it: jobs wait, and none is lost."""

import asyncpg
import pytest
from redis.asyncio import Redis

from monarq import Producer
from monarq.jobs.store.keys import queue_keys
from tests.integration.worker.deadlines import always, eventually
from tests.postgres_proxy import PostgresProxy
from tests.proxy import Proxy

from .conftest import MakeRelay
from .kinds import confirm
from .stage import Stage, running

pytestmark = pytest.mark.every_postgres


async def test_jobs_wait_while_redis_is_away(
    app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage, redis_url: str
) -> None:
    async with Proxy(redis_url) as proxy:
        await proxy.refuse()
        async with running(make_relay(redis_url=proxy.url)):
            handle = await producer.enqueue(confirm.of(1), connection=app)
            await always(lambda: stage.lacks(handle.job_id), during=0.3)
            await proxy.heal()
            await eventually(lambda: stage.has(handle.job_id))
    assert await stage.outbox() == []


async def test_a_relay_starts_and_stays_while_postgres_is_away(
    database_url: str, app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage
) -> None:
    handle = await producer.enqueue(confirm.of(1), connection=app)
    async with PostgresProxy(database_url) as proxy:
        await proxy.refuse()
        async with running(make_relay(database_url=proxy.url)):
            await always(lambda: stage.lacks(handle.job_id), during=0.3)
            await proxy.heal()
            await eventually(lambda: stage.has(handle.job_id))
            await proxy.refuse()
            again = await producer.enqueue(confirm.of(2), connection=app)
            await always(lambda: stage.lacks(again.job_id), during=0.3)
            await proxy.heal()
            await eventually(lambda: stage.has(again.job_id))


async def test_a_reply_of_redis_that_is_lost_is_asked_for_again(
    app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage, redis_url: str
) -> None:
    await producer.enqueue_many(map(confirm.of, range(450)), connection=app)
    async with Proxy(redis_url) as proxy:
        proxy.drop_reply(3)
        async with running(make_relay(redis_url=proxy.url)):
            await eventually(stage.is_empty)
    assert await stage.client.hget(queue_keys("default").stats, "enqueued") == "450"


@pytest.mark.parametrize("refusal", ["full", "forbidden"])
async def test_a_redis_that_does_not_serve_us_is_no_fault_of_the_rows(
    app: asyncpg.Connection,
    producer: Producer,
    make_relay: MakeRelay,
    stage: Stage,
    redis_url: str,
    refusal: str,
) -> None:
    handle = await producer.enqueue(confirm.of(1), connection=app)
    url = redis_url
    if refusal == "full":
        await stage.client.config_set("maxmemory", 1)
    else:
        await stage.client.execute_command("ACL SETUSER poor on nopass ~* +@all -zadd")
        url = redis_url.replace("redis://", "redis://poor:x@")
    try:
        async with running(make_relay(redis_url=url)):
            await always(lambda: stage.lacks(handle.job_id), during=0.3)
            assert await stage.set_aside() == {}
            await _serve_again(stage.client, refusal)
            await eventually(lambda: stage.has(handle.job_id))
    finally:
        await _serve_again(stage.client, refusal)


async def _serve_again(client: Redis, refusal: str) -> None:
    if refusal == "full":
        await client.config_set("maxmemory", 0)
    else:
        await client.execute_command("ACL SETUSER poor +@all")
