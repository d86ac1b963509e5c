"""A job is a row of the caller's own transaction: committed with it, or never there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from monarq import (
    ConfigError,
    Conflict,
    InvalidArguments,
    JobRejected,
    NoDatabase,
    NotMigrated,
    Order,
    Producer,
    Settings,
    StoreUnavailable,
    SyncProducer,
    Unique,
)
from tests.postgres import PostgresServer
from tests.servers import free_port

from .kinds import audit, bill, confirm
from .stage import Stage

pytestmark = pytest.mark.every_postgres


async def test_a_committed_job_is_in_the_outbox_with_the_app_s_own_rows(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    async with app.transaction():
        await app.execute("INSERT INTO orders VALUES (7)")
        handle = await producer.enqueue(confirm.of(7), connection=app)
        assert await stage.outbox() == []
    assert handle.created
    assert await stage.outbox() == [handle.job_id]
    assert await stage.in_redis() == []


async def test_a_job_that_is_rolled_back_was_never_there(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    transaction = app.transaction()
    await transaction.start()
    await producer.enqueue(confirm.of(7), connection=app)
    await producer.enqueue(bill.of(7), connection=app, job_id="bill")
    await transaction.rollback()
    assert await stage.outbox() == []
    assert await stage.durable("bill") is None


async def test_a_savepoint_takes_back_its_own_jobs_only(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    async with app.transaction():
        kept = await producer.enqueue(confirm.of(1), connection=app)
        savepoint = app.transaction()
        await savepoint.start()
        await producer.enqueue(confirm.of(2), connection=app)
        await savepoint.rollback()
    assert await stage.outbox() == [kept.job_id]


async def test_a_pool_s_connection_will_do(
    database_url: str, producer: Producer, stage: Stage, app: asyncpg.Connection
) -> None:
    async with (
        asyncpg.create_pool(database_url, min_size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(),
    ):
        handle = await producer.enqueue(confirm.of(7), connection=connection)
    assert await stage.outbox() == [handle.job_id]


async def test_many_are_written_at_once_each_with_its_own_options(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    async with app.transaction():
        outcomes = await producer.enqueue_many(
            [*map(confirm.of, range(2_500)), Order(audit.of(1), delay=-1), Order(bill.of(1), job_id="bill")],
            connection=app,
        )
    refused = [one for one in outcomes if isinstance(one, JobRejected)]
    assert (len(outcomes), len(refused)) == (2_502, 1)
    assert len(await stage.outbox()) == 2_501
    assert (await stage.durable("bill"))["state"] is None


async def test_the_same_id_again_is_the_same_job(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    first = await producer.enqueue(confirm.of(7), connection=app, job_id="order-7")
    again = await producer.enqueue(confirm.of(7), connection=app, job_id="order-7")
    assert (first.created, again.created) == (True, False)
    assert await stage.outbox() == ["order-7"]


@pytest.mark.parametrize("durable", [False, True])
async def test_other_content_under_the_same_id_is_refused_and_breaks_no_transaction(
    app: asyncpg.Connection, producer: Producer, stage: Stage, durable: bool
) -> None:
    async with app.transaction():
        await producer.enqueue(confirm.of(7), connection=app, job_id="order-7", durable=durable)
        with pytest.raises(Conflict):
            await producer.enqueue(confirm.of(8), connection=app, job_id="order-7", durable=durable)
        await app.execute("INSERT INTO orders VALUES (7)")
    assert await stage.outbox() == ["order-7"]


async def test_an_id_twice_in_one_call_is_told_for_each(app: asyncpg.Connection, producer: Producer) -> None:
    orders = [Order(confirm.of(number), job_id="order-7") for number in (7, 7, 8)]
    first, same, other = await producer.enqueue_many(orders, connection=app)
    assert [getattr(one, "created", None) for one in (first, same)] == [True, False]
    assert isinstance(other, Conflict)


async def test_a_delay_is_counted_by_the_clock_of_postgres(
    app: asyncpg.Connection, producer: Producer, stage: Stage
) -> None:
    at = datetime(2040, 1, 31, 9, tzinfo=UTC)
    await producer.enqueue(confirm.of(1), connection=app, job_id="now")
    await producer.enqueue(confirm.of(1), connection=app, job_id="later", delay=timedelta(minutes=1))
    await producer.enqueue(confirm.of(1), connection=app, job_id="at", at=at)
    rows = await stage.fetch("SELECT job_id, due_at, due_at - created_at AS wait FROM monarq.outbox")
    due = {row["job_id"]: row for row in rows}
    assert due["now"]["due_at"] is None
    assert abs(due["later"]["wait"] - timedelta(minutes=1)) < timedelta(seconds=1)
    assert due["at"]["due_at"] == at


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("unique", Unique(on_conflict="reject")),
        ("delay", timedelta.max),
        ("delay", -1),
        ("durable", "yes"),
    ],
)
async def test_what_no_relay_could_do_is_refused(
    app: asyncpg.Connection, producer: Producer, stage: Stage, option: str, value: Any
) -> None:
    with pytest.raises(InvalidArguments, match=option):
        await producer.enqueue(confirm.of(7), connection=app, **{option: value})
    assert await stage.outbox() == []


async def test_what_is_no_connection_says_what_to_do(producer: Producer) -> None:
    with pytest.raises(TypeError, match="outbox_row"):
        await producer.enqueue(confirm.of(7), connection=object())


async def test_a_pool_has_no_transaction_and_is_refused(
    database_url: str, producer: Producer, stage: Stage
) -> None:
    async with asyncpg.create_pool(database_url, min_size=1) as pool:
        with pytest.raises(TypeError, match=r"pool\.acquire"):
            await producer.enqueue(confirm.of(7), connection=pool)
    assert await stage.outbox() == []


async def test_a_database_without_our_tables_says_what_to_run(
    postgres: PostgresServer, producer: Producer
) -> None:
    connection = await asyncpg.connect(postgres.url)
    with pytest.raises(NotMigrated, match="monarq migrate"):
        await producer.enqueue(confirm.of(7), connection=connection)
    await connection.close()


# --- durable jobs, in a transaction of our own


async def test_a_durable_job_is_in_both_tables(producer: Producer, stage: Stage) -> None:
    handle = await producer.enqueue(bill.of(7))
    assert await stage.outbox() == [handle.job_id]
    row = await stage.durable(handle.job_id)
    assert (row["kind"], row["state"], row["fence"]) == ("order.bill", None, 0)
    assert await stage.in_redis() == []


async def test_each_call_may_choose(producer: Producer, stage: Stage) -> None:
    kept = await producer.enqueue(confirm.of(7), durable=True)
    swift = await producer.enqueue(bill.of(7), durable=False)
    assert await stage.durable(kept.job_id)
    assert await stage.in_redis() == [swift.job_id]


async def test_some_of_many_may_be_durable(producer: Producer, stage: Stage) -> None:
    swift, kept = await producer.enqueue_many([confirm.of(1), bill.of(1)])
    assert not isinstance(swift, JobRejected)
    assert not isinstance(kept, JobRejected)
    assert (await stage.in_redis(), await stage.outbox()) == ([swift.job_id], [kept.job_id])


async def test_a_durable_job_keeps_its_id_after_the_relay_has_sent_it(
    producer: Producer, stage: Stage
) -> None:
    await producer.enqueue(bill.of(7), job_id="bill-7")
    await stage.fetch("DELETE FROM monarq.outbox")
    assert not (await producer.enqueue(bill.of(7), job_id="bill-7")).created
    with pytest.raises(Conflict):
        await producer.enqueue(bill.of(8), job_id="bill-7")
    assert await stage.outbox() == []


async def test_an_id_that_waits_as_an_ordinary_job_makes_no_durable_one(
    producer: Producer, app: asyncpg.Connection, stage: Stage
) -> None:
    await producer.enqueue(confirm.of(7), connection=app, job_id="order-7")
    again = await producer.enqueue(confirm.of(7), connection=app, job_id="order-7", durable=True)
    assert not again.created
    assert await stage.durable("order-7") is None


async def test_a_durable_job_needs_a_database(redis_url: str) -> None:
    async with Producer.connect(redis_url) as producer:
        with pytest.raises(NoDatabase, match="MONARQ_DATABASE_URL"):
            await producer.enqueue(bill.of(7))
    assert issubclass(NoDatabase, ConfigError)


async def test_a_database_that_is_away_is_told_and_the_job_may_be_asked_for_again(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.producer.retrying._CEILINGS", (0.01,))
    away = Settings(redis_url=redis_url, database_url=f"postgresql://x@127.0.0.1:{free_port()}/x")
    async with Producer.connect(settings=away) as producer:
        with pytest.raises(StoreUnavailable, match="under the same job_id"):
            await producer.enqueue(bill.of(7), job_id="bill-7")


def test_without_an_event_loop_a_durable_job_says_what_to_do(redis_url: str) -> None:
    with (
        SyncProducer.connect(redis_url) as producer,
        pytest.raises(InvalidArguments, match="outbox_row"),
    ):
        producer.enqueue(bill.of(7))


# --- SQLAlchemy


async def test_a_session_of_sqlalchemy_will_do(database_url: str, producer: Producer, stage: Stage) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://"))
    async with AsyncSession(engine) as session:
        kept = await producer.enqueue(confirm.of(1), connection=session, job_id="order-1", delay=5)
        with pytest.raises(Conflict):
            await producer.enqueue(confirm.of(2), connection=session, job_id="order-1")
        await session.commit()
        await producer.enqueue(bill.of(2), connection=session)
        await session.rollback()
    assert await stage.outbox() == [kept.job_id]
    assert await stage.fetch("SELECT FROM monarq.durable_jobs") == []
    await engine.dispose()


async def test_a_connection_of_sqlalchemy_will_do(
    database_url: str, producer: Producer, stage: Stage
) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    connection: AsyncConnection
    async with engine.begin() as connection:
        kept = await producer.enqueue(bill.of(1), connection=connection)
    assert await stage.outbox() == [kept.job_id]
    await engine.dispose()
