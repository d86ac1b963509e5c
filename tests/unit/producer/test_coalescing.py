"""Calls of one tick of the loop travel as one."""

import asyncio

import pytest

from monarq import Producer, Settings
from monarq.jobs.errors import Conflict, InvalidArguments, StoreRefused, StoreUnavailable
from monarq.producer import retrying
from monarq.producer.order import CHUNK

from .kinds import resize, send
from .recording import Recording


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_CEILINGS", (0.0,) * 3)


@pytest.fixture
async def producer(producer: Producer, transport: Recording) -> Producer:
    """It knows its kinds already."""
    await producer.enqueue(send.of("warm-up"))
    await producer.enqueue(resize.of("warm-up"))
    transport.sent.clear()
    transport.tries = 0
    return producer


async def test_concurrent_calls_of_one_tick_are_one_script_call(
    producer: Producer, transport: Recording
) -> None:
    handles = await asyncio.gather(*(producer.enqueue(send.of(f"{n}")) for n in range(100)))
    assert transport.enqueues == [100]
    assert len({handle.job_id for handle in handles}) == 100
    assert transport.tries == 1


async def test_a_call_alone_is_one_script_call(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("ann"))
    assert transport.enqueues == [1]


async def test_calls_of_different_queues_are_a_script_call_each(
    producer: Producer, transport: Recording
) -> None:
    await asyncio.gather(*(producer.enqueue(call) for call in [send.of("a"), resize.of("b")] * 5))
    assert transport.enqueues == [5, 5]


async def test_more_than_a_chunk_is_sent_in_chunks(producer: Producer, transport: Recording) -> None:
    await asyncio.gather(*(producer.enqueue(send.of(f"{n}")) for n in range(2 * CHUNK + 1)))
    assert transport.enqueues == [CHUNK, CHUNK, 1]


async def test_calls_of_different_ticks_travel_apart(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("a"))
    await producer.enqueue(send.of("b"))
    assert transport.enqueues == [1, 1]


async def test_a_refused_call_leaves_its_neighbours_alone(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("first"), job_id="order-7")
    outcomes = await asyncio.gather(
        producer.enqueue(send.of("a")),
        producer.enqueue(send.of("other"), job_id="order-7"),
        producer.enqueue(send.of("b"), delay=-1),
        producer.enqueue(send.of("c")),
        return_exceptions=True,
    )
    assert [type(outcome).__name__ for outcome in outcomes] == [
        "JobHandle",
        "Conflict",
        "InvalidArguments",
        "JobHandle",
    ]
    assert isinstance(outcomes[1], Conflict)
    assert isinstance(outcomes[2], InvalidArguments)
    assert transport.enqueues == [1, 3]


async def test_who_shares_a_call_that_fails_gets_its_own_error(
    producer: Producer, transport: Recording
) -> None:
    transport.failures = 1_000
    calls = [producer.enqueue(send.of("a"), job_id=f"order-{n}") for n in range(3)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    for n, outcome in enumerate(outcomes):
        assert isinstance(outcome, StoreUnavailable)
        assert f"job order-{n} may exist" in str(outcome)


async def test_a_refusal_of_the_store_reaches_all_who_share_the_call(
    producer: Producer, transport: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*command: object, timeout: float | None = None) -> None:
        raise StoreRefused("Redis refused: NOPERM")

    monkeypatch.setattr(transport, "call", refuse)
    outcomes = await asyncio.gather(
        *(producer.enqueue(send.of("a")) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StoreRefused] * 3


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_one_caller_s_cancellation_costs_the_others_nothing(
    producer: Producer, transport: Recording, cancelled: int
) -> None:
    tasks = [asyncio.create_task(producer.enqueue(send.of("a"))) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[cancelled].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes.pop(cancelled), asyncio.CancelledError)
    assert [type(outcome).__name__ for outcome in outcomes] == ["JobHandle", "JobHandle"]


async def test_a_queue_is_made_known_once(transport: Recording) -> None:
    async with Producer(Settings(), transport=transport) as producer:
        for _ in range(3):
            await producer.enqueue(send.of("a"))
    assert [command for command in transport.sent if command[0] == "SADD"] == [
        ("SADD", "monarq:queues", "default")
    ]
