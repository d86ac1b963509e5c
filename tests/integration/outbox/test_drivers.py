"""The same row by an app's own driver: psycopg with an event loop and without, SQLAlchemy on both."""

from datetime import timedelta

import asyncpg
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from monarq import InvalidArguments, Order, PayloadTooLarge, Producer, SyncProducer, Unique
from monarq.producer.relay import Relay

from .kinds import bill, confirm, note
from .stage import Stage, carry_all


async def test_a_row_by_psycopg_is_committed_with_the_app_s_own_transaction(
    database_url: str, app: asyncpg.Connection, producer: Producer, relay: Relay, stage: Stage
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        async with connection.transaction():
            await connection.execute("INSERT INTO orders VALUES (7)")
            row = producer.outbox_row(Order(confirm.of(7), delay=timedelta(0), job_id="order-7"))
            cursor = await connection.execute(row.pyformat, row.parameters)
            assert await cursor.fetchall() == [("order-7",)]
        async with connection.transaction(force_rollback=True):
            row = producer.outbox_row(bill.of(8))
            await connection.execute(row.pyformat, row.parameters)
    assert await carry_all(relay) == 1
    assert await stage.in_redis() == ["order-7"]
    assert await stage.fetch("SELECT FROM monarq.durable_jobs") == []


async def test_an_id_that_is_there_already_gives_no_row(
    database_url: str, producer: Producer, stage: Stage
) -> None:
    row = producer.outbox_row(Order(confirm.of(7), job_id="order-7"))
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for expected in ([("order-7",)], []):
            cursor = await connection.execute(row.pyformat, row.parameters)
            assert await cursor.fetchall() == expected


def test_without_an_event_loop_a_durable_job_can_be_written(database_url: str, redis_url: str) -> None:
    with SyncProducer.connect(redis_url) as producer, psycopg.connect(database_url) as connection:
        order = Order(bill.of(7), delay=30, priority="high", queue="mail", unique=Unique())
        row = producer.outbox_row(order)
        assert connection.execute(row.pyformat, row.parameters).fetchone() == (row.job_id,)
        connection.commit()
        found = connection.execute("SELECT queue, rank, due_at IS NULL FROM monarq.durable_jobs").fetchall()
        assert found == [("mail", 1, False)]


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_a_row_by_sqlalchemy_s_asyncio(
    driver: str, database_url: str, producer: Producer, stage: Stage
) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", f"postgresql+{driver}://"))
    row = producer.outbox_row(Order(bill.of(7), job_id="bill-7", delay=5))
    async with engine.begin() as connection:
        assert (await connection.execute(text(row.named), row.parameters)).scalar() == "bill-7"
        assert (await connection.execute(text(row.named), row.parameters)).scalar() is None
    await engine.dispose()
    assert await stage.outbox() == ["bill-7"]


def test_a_row_by_sqlalchemy_without_an_event_loop(database_url: str, redis_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://"))
    with SyncProducer.connect(redis_url) as producer, engine.begin() as connection:
        row = producer.outbox_row(confirm.of(7))
        assert connection.execute(text(row.named), row.parameters).scalar() == row.job_id
    engine.dispose()


def test_a_row_is_checked_as_any_enqueue_is() -> None:
    producer = SyncProducer.connect("redis://localhost:1/0")
    with pytest.raises(InvalidArguments, match="priority"):
        producer.outbox_row(Order(confirm.of(7), priority="nonsense"))
    with pytest.raises(InvalidArguments, match="reject"):
        producer.outbox_row(Order(confirm.of(7), unique=Unique(on_conflict="reject")))
    with pytest.raises(PayloadTooLarge):
        producer.outbox_row(note.of("x" * 1_000_000))


def test_a_row_shows_no_arguments() -> None:
    assert "987654" not in repr(SyncProducer.connect("redis://localhost:1/0").outbox_row(confirm.of(987654)))
