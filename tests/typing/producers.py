"""The result type survives from the handler to `handle.result()`, with and without an event loop."""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from asyncpg import Connection

import monarq
from monarq import JobHandle, JobRejected, Order, Producer, State, SyncJobHandle, SyncProducer, Unique

from .kinds import ping, resize


async def a_handle_gives_the_handler_s_result_type(producer: Producer) -> None:
    handle = await producer.enqueue(resize.of("a.png"))
    assert_type(handle, JobHandle[tuple[str, int]])
    assert_type(await handle.result(), tuple[str, int])
    assert_type(await handle.result(timeout=5), tuple[str, int])
    assert_type(await handle.status(), State)
    assert_type(handle.created, bool)
    assert_type(handle.job_id, str)
    await (await producer.enqueue(ping.of())).result()
    wrong: int = await handle.result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(wrong)


async def options_have_types(producer: Producer) -> None:
    call = resize.of("a.png")
    await producer.enqueue(call, delay=5, priority="high", queue="media", job_id="order-7", expires_in=60.5)
    await producer.enqueue(call, unique=Unique(by=["path"]))
    await producer.enqueue(call, unique="path")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await producer.enqueue(call, delay=timedelta(minutes=1), at=datetime.now(UTC))
    await producer.enqueue(call, durable=True)
    await producer.enqueue(call, durable="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await producer.enqueue(call, delay="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await producer.enqueue(call, at="noon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await producer.enqueue(call, eta=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await producer.enqueue(call, 5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await producer.enqueue(resize)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def a_job_in_a_transaction_has_the_same_handle(producer: Producer, connection: Connection) -> None:
    handle = await producer.enqueue(resize.of("a.png"), connection=connection)
    assert_type(await handle.result(timeout=5), tuple[str, int])
    await producer.enqueue_many([ping.of()], connection=connection)
    row = producer.outbox_row(Order(ping.of(), durable=True))
    assert_type(row.pyformat, str)
    assert_type(row.job_id, str)


async def many_are_handles_or_refusals(producer: Producer) -> None:
    outcomes = await producer.enqueue_many(
        [resize.of("a.png"), ping.of(), Order(ping.of(), delay=5, unique=Unique())]
    )
    assert_type(outcomes, list[JobHandle[Any] | JobRejected])
    await producer.enqueue_many([resize])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]


async def a_handle_by_its_id_takes_the_type_from_the_handler(producer: Producer) -> None:
    assert_type(producer.job("order-7", of=resize), JobHandle[tuple[str, int]])
    assert_type(await producer.job("order-7", of=resize).result(), tuple[str, int])


async def a_producer_is_its_own_context() -> None:
    async with Producer.connect() as producer:
        assert_type(producer, Producer)
    with SyncProducer.connect("redis://localhost") as sync_producer:
        assert_type(sync_producer, SyncProducer)


def a_sync_handle_gives_the_handler_s_result_type(producer: SyncProducer) -> None:
    handle = producer.enqueue(resize.of("a.png"))
    assert_type(handle, SyncJobHandle[tuple[str, int]])
    assert_type(handle.result(), tuple[str, int])
    assert_type(handle.status(), State)
    assert_type(producer.job("order-7", of=resize), SyncJobHandle[tuple[str, int]])
    wrong: int = handle.result()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(wrong)


def sync_options_have_types(producer: SyncProducer) -> None:
    producer.enqueue(resize.of("a.png"), delay="5")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    producer.enqueue(resize)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(producer.enqueue_many([ping.of()]), list[SyncJobHandle[Any] | JobRejected])


def a_name_that_is_not_there_is_found() -> None:
    print(monarq.Produser)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
