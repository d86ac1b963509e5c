"""A commit whose reply is lost: it may have happened, and to ask again under the same id does no harm."""

import asyncio

import asyncpg
import pytest
from redis.asyncio import Redis

from monarq import Producer, Settings, StoreUnavailable
from monarq.jobs.store.keys import queue_keys
from monarq.producer.relay import Relay
from tests.integration.worker.deadlines import eventually
from tests.postgres import postgres_server
from tests.postgres_proxy import PostgresProxy

from .conftest import MakeRelay
from .kinds import bill, confirm
from .stage import Stage, carry_all, running

#: What asyncpg raises when a backend goes away; the last one, if a statement is on its way to it.
_NO_ANSWER = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_a_relay_that_cannot_know_sends_again_and_nothing_comes_twice(
    cut: str,
    database_url: str,
    app: asyncpg.Connection,
    producer: Producer,
    make_relay: MakeRelay,
    stage: Stage,
) -> None:
    await producer.enqueue_many(map(confirm.of, range(600)), connection=app)
    async with PostgresProxy(database_url) as proxy:
        relay = make_relay(database_url=proxy.url)
        getattr(proxy, cut)("COMMIT")
        with pytest.raises(StoreUnavailable):
            await relay.carry()
        assert proxy.struck == 1
        left = len(await stage.outbox())
        assert left == (600 if cut == "cut_before" else 100)
        assert await carry_all(relay) == left
    assert await stage.client.hget(queue_keys("default").stats, "enqueued") == "600"
    assert await stage.outbox() == []


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_a_durable_job_is_asked_for_again_and_there_is_one(
    cut: str, settings: Settings, database_url: str, stage: Stage
) -> None:
    async with PostgresProxy(database_url) as proxy:
        own = settings.model_copy(update={"database_url": Settings(database_url=proxy.url).database_url})
        async with Producer.connect(settings=own) as producer:
            getattr(proxy, cut)("COMMIT")
            handle = await producer.enqueue(bill.of(7))
        assert (proxy.struck, handle.created) == (1, True)
    assert await stage.outbox() == [handle.job_id]
    assert await stage.durable(handle.job_id)


async def test_an_app_that_cannot_know_asks_again_under_the_same_id(
    database_url: str, app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async with PostgresProxy(database_url) as proxy:
        connection = await asyncpg.connect(proxy.url)
        proxy.cut_after("COMMIT")
        transaction = connection.transaction()
        await transaction.start()
        await producer.enqueue(confirm.of(7), connection=connection, job_id="order-7")
        with pytest.raises(_NO_ANSWER):
            await transaction.commit()
    again = await producer.enqueue(confirm.of(7), connection=app, job_id="order-7")
    assert not again.created
    await carry_all(relay)
    assert await stage.in_redis() == ["order-7"]


async def test_a_server_that_is_killed_again_and_again_loses_no_committed_job(redis_url: str) -> None:
    """PostgreSQL crashes while orders are committed and relayed.  Who gets no answer asks again by id."""
    with postgres_server() as server:
        url = await asyncio.to_thread(server.new_database)
        settings = Settings(redis_url=redis_url, database_url=url, database_connect_timeout=1)
        async with Producer.connect(settings=settings) as producer, Redis.from_url(redis_url) as client:
            crashing = asyncio.create_task(_crash(server, times=3))
            committed: set[str] = set()
            relays = [_relay(settings) for _ in range(2)]
            async with running(*(relay for relay, _, _ in relays)):
                while not crashing.done() or len(committed) < 200:
                    job_id = f"order-{len(committed)}"
                    await _until_committed(url, producer, job_id)
                    committed.add(job_id)
                await crashing
                await eventually(lambda: _has_all(client, committed))
            for _, database, link in relays:
                await database.close()
                await link.close()
            enqueued = await client.hget(queue_keys("default").stats, "enqueued")
            assert int(enqueued or 0) == len(committed)


async def _crash(server: object, *, times: int) -> None:
    for _ in range(times):
        await asyncio.sleep(0.4)  # some work is to be done between two crashes
        await asyncio.to_thread(server.restart)  # type: ignore[attr-defined]


async def _until_committed(url: str, producer: Producer, job_id: str) -> None:
    while True:
        try:
            connection = await asyncpg.connect(url, timeout=2)
            try:
                async with connection.transaction():
                    await producer.enqueue(confirm.of(1), connection=connection, job_id=job_id)
                return
            finally:
                connection.terminate()
        except (*_NO_ANSWER, StoreUnavailable):
            await asyncio.sleep(0.01)


def _relay(settings: Settings) -> tuple[Relay, object, object]:
    from monarq.jobs.store.address import from_url
    from monarq.jobs.store.connection import Link
    from monarq.jobs.store.postgres import open_database

    database, link = open_database(settings), Link(from_url(settings.redis_url.get_secret_value()))
    return Relay(database, link, settings), database, link


async def _has_all(client: Redis, job_ids: set[str]) -> bool:
    found = await client.zrange(queue_keys("default").ranks[2], 0, -1)
    return {one.decode() for one in found} == job_ids
