"""While Redis does not answer a producer tries again; who cannot know is told that the job may exist."""

import asyncio
from collections.abc import Iterator

import pytest

from monarq import Order, Producer, Settings, SyncProducer
from monarq.jobs.errors import StoreUnavailable
from monarq.producer import retrying

from .kinds import send
from .recording import Recording, SyncRecording

TRIES = 4
CEILINGS = retrying._CEILINGS  # as they are outside of these tests


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "_CEILINGS", (0.0,) * (TRIES - 1))


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> SyncRecording:
    link = SyncRecording()
    monkeypatch.setattr("monarq.producer.sync_producer.SyncLink", lambda address: link)
    return link


@pytest.fixture
def sync_producer(link: SyncRecording) -> Iterator[SyncProducer]:
    with SyncProducer(Settings()) as producer:
        yield producer


def test_the_waits_between_tries_are_those_of_a_failover() -> None:
    """Some five seconds at most, and half of that at least; the first try again comes at once."""
    assert 2.5 <= sum(CEILINGS) / 2 <= sum(CEILINGS) <= 6
    assert CEILINGS[0] <= 0.1


async def test_the_first_call_survives_an_outage(producer: Producer, transport: Recording) -> None:
    transport.failures = TRIES - 1
    handle = await producer.enqueue(send.of("ann"))
    assert handle.created
    assert sum(transport.enqueues) == 1


async def test_a_later_call_survives_an_outage(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("warm-up"))
    transport.failures = TRIES - 1
    assert (await producer.enqueue(send.of("ann"))).created


async def test_a_lost_reply_writes_the_job_once(producer: Producer, transport: Recording) -> None:
    await producer.enqueue(send.of("warm-up"))
    transport.failures, transport.fails_after_writing = 2, True
    handle = await producer.enqueue(send.of("ann"))
    assert handle.created, "the producer's own id, so it was new"
    assert await transport.call("ZCARD", "arq:queue") == 2


async def test_a_lost_reply_under_the_app_s_id_tells_that_the_job_exists(
    producer: Producer, transport: Recording
) -> None:
    await producer.enqueue(send.of("warm-up"))
    transport.failures, transport.fails_after_writing = 1, True
    handle = await producer.enqueue(send.of("ann"), job_id="order-7")
    assert not handle.created
    assert await transport.call("ZCARD", "arq:queue") == 2


async def test_an_outage_that_lasts_ends_as_an_error_that_says_the_job_may_exist(
    producer: Producer, transport: Recording
) -> None:
    await producer.enqueue(send.of("warm-up"))
    transport.failures, transport.tries = 1_000, 0
    with pytest.raises(
        StoreUnavailable, match=r"no answer from Redis; job order-7 may exist .* job_id"
    ) as caught:
        await producer.enqueue(send.of("ann"), job_id="order-7")
    assert transport.tries == TRIES
    assert isinstance(caught.value.__cause__, StoreUnavailable)


async def test_many_jobs_in_an_outage_that_lasts_may_exist_in_part(
    producer: Producer, transport: Recording
) -> None:
    transport.failures = 1_000
    with pytest.raises(StoreUnavailable, match="some of the 3 jobs may exist"):
        await producer.enqueue_many([send.of("a"), send.of("b"), Order(send.of("c"), delay=5)])


async def test_questions_survive_an_outage(producer: Producer, transport: Recording) -> None:
    handle = await producer.enqueue(send.of("ann"))
    transport.failures = TRIES - 1
    assert await handle.status() == "ready"
    transport.failures = TRIES - 1
    assert await handle.cancel() == "cancelled"


async def test_close_waits_for_what_is_still_being_sent(producer: Producer, transport: Recording) -> None:
    task = asyncio.create_task(producer.enqueue(send.of("ann")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await producer.close()
    assert sum(transport.enqueues) >= 1


def test_the_sync_producer_survives_an_outage_too(sync_producer: SyncProducer, link: SyncRecording) -> None:
    link.failures = TRIES - 1
    handle = sync_producer.enqueue(send.of("ann"))
    assert handle.created
    link.failures = TRIES - 1
    assert handle.status() == "ready"
    link.failures = TRIES - 1
    assert handle.cancel() == "cancelled"


def test_the_sync_producer_says_that_the_job_may_exist_too(
    sync_producer: SyncProducer, link: SyncRecording
) -> None:
    link.failures = 1_000
    with pytest.raises(StoreUnavailable, match="job order-7 may exist"):
        sync_producer.enqueue(send.of("ann"), job_id="order-7")
    with pytest.raises(StoreUnavailable, match="some of the 2 jobs may exist"):
        sync_producer.enqueue_many([send.of("a"), send.of("b")])
