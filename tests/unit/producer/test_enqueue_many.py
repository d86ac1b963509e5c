"""Many jobs at once: each stands for itself."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from monarq import JobHandle, Order, Producer, Settings, SyncJobHandle, SyncProducer
from monarq.jobs.errors import Conflict, InvalidArguments, PayloadTooLarge
from monarq.producer.order import CHUNK

from .kinds import resize, send
from .recording import Recording, SyncRecording

SETTINGS = Settings(max_payload_bytes=2_000)


@pytest.fixture
def transport() -> Recording:
    return Recording()


@pytest.fixture
async def producer(transport: Recording) -> AsyncIterator[Producer]:
    async with Producer(SETTINGS, transport=transport) as producer:
        yield producer


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> SyncRecording:
    link = SyncRecording()
    monkeypatch.setattr("monarq.producer.sync_producer.SyncLink", lambda address: link)
    return link


@pytest.fixture
def sync_producer(link: SyncRecording) -> Iterator[SyncProducer]:
    with SyncProducer(SETTINGS) as producer:
        yield producer


def mixed() -> list[Any]:
    """One of each kind of outcome; `taken` was enqueued before, with other content."""
    return [
        send.of("plain"),
        Order(send.of("other"), job_id="taken"),
        send.of("x" * 5_000),
        Order(send.of("twice"), job_id="twice"),
        Order(send.of("twice"), job_id="twice"),
        Order(send.of("thrice"), job_id="twice"),
        Order(send.of("late"), delay=-1),
        Order(send.of("a"), queue="a b"),
        resize.of("b.png"),
    ]


EXPECTED = [
    ("handle", True),
    Conflict,
    PayloadTooLarge,
    ("handle", True),
    ("handle", False),
    Conflict,
    InvalidArguments,
    InvalidArguments,
    ("handle", True),
]


def told(outcomes: list[Any]) -> list[Any]:
    return [
        ("handle", outcome.created) if isinstance(outcome, (JobHandle, SyncJobHandle)) else type(outcome)
        for outcome in outcomes
    ]


async def test_each_item_has_an_outcome_of_its_own_in_order(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("first"), job_id="taken")
    outcomes = await producer.enqueue_many(mixed())
    assert told(outcomes) == EXPECTED
    assert [outcome.queue for outcome in outcomes if isinstance(outcome, JobHandle)][-1] == "media"
    assert await transport.call("ZCARD", "arq:queue") == 3  # first, plain, twice


def test_the_sync_producer_tells_the_same(sync_producer: SyncProducer, link: SyncRecording) -> None:
    sync_producer.enqueue(send.of("first"), job_id="taken")
    assert told(sync_producer.enqueue_many(mixed())) == EXPECTED
    assert link.call("ZCARD", "arq:queue") == 3


async def test_nothing_is_an_empty_list(producer: Producer, transport: Recording) -> None:
    assert await producer.enqueue_many([]) == []
    assert transport.sent == []


async def test_all_refused_sends_nothing(producer: Producer, transport: Recording) -> None:
    outcomes = await producer.enqueue_many([Order(send.of("a"), delay=-1)] * 3)
    assert [type(outcome) for outcome in outcomes] == [InvalidArguments] * 3
    assert transport.sent == []


@pytest.mark.parametrize("count", [1, CHUNK, CHUNK + 1, 5 * CHUNK + 7])
async def test_thousands_travel_in_few_script_calls(
    producer: Producer, transport: Recording, count: int
) -> None:
    outcomes = await producer.enqueue_many(send.of(f"{n}") for n in range(count))
    assert told(outcomes) == [("handle", True)] * count
    assert sum(transport.enqueues) == count
    assert len(transport.enqueues) == -(-count // CHUNK)


async def test_handles_stand_in_the_order_of_the_calls(producer: Producer) -> None:
    calls = [Order(send.of("a"), job_id=f"order-{n}", queue="ab"[n % 2]) for n in range(CHUNK + 10)]
    outcomes = await producer.enqueue_many(calls)
    assert [outcome.job_id for outcome in outcomes if isinstance(outcome, JobHandle)] == [
        order.job_id for order in calls
    ]


async def test_the_same_call_twice_is_two_jobs(producer: Producer) -> None:
    call = send.of("a")
    one, other = await producer.enqueue_many([call, call])
    assert isinstance(one, JobHandle)
    assert isinstance(other, JobHandle)
    assert one.job_id != other.job_id


async def test_what_is_no_call_is_a_programmer_s_mistake(producer: Producer, transport: Recording) -> None:
    with pytest.raises(TypeError, match=r"handler\.of"):
        await producer.enqueue_many([send.of("a"), send])  # type: ignore[list-item]
