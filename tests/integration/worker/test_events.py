"""What a worker tells of its jobs while somebody listens, and that it costs nothing while nobody does."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, suppress
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from monarq import JobContext, job
from monarq.jobs.events import Event, EventType
from monarq.jobs.retry import fixed
from monarq.jobs.store.address import from_url
from monarq.jobs.store.event_bus import listen
from monarq.producer import Producer
from monarq.worker import events as module

from .conftest import Serve
from .deadlines import eventually


@job(kind="events.fine", max_attempts=1)
async def fine(ctx: JobContext) -> None:
    """Does nothing."""


@job(kind="events.fails", max_attempts=2, backoff=fixed(0.5))
async def fails(ctx: JobContext) -> None:
    raise ValueError("a secret")


@job(kind="events.waits")
async def waits(ctx: JobContext) -> None:
    await asyncio.sleep(60)


@pytest.fixture
async def heard(redis_url: str) -> AsyncIterator[list[Event]]:
    """All events from now on."""
    events: list[Event] = []
    stands = asyncio.Event()

    async def collect() -> None:
        async with aclosing(listen(from_url(redis_url))) as batches:
            async for batch in batches:
                stands.set()
                events.extend(batch or ())

    task = asyncio.create_task(collect())
    await stands.wait()
    yield events
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def told(events: list[Event], job_id: str) -> list[str]:
    return [str(event.type) for event in events if event.job_id == job_id]


async def test_the_way_of_a_job_is_told_in_order(
    serve: Serve, producer: Producer, heard: list[Event]
) -> None:
    async with serve(fine, fails) as worker:
        good, bad = await producer.enqueue(fine.of()), await producer.enqueue(fails.of())
        await eventually(lambda: "job.dead" in told(heard, bad.job_id))
        await eventually(lambda: "job.succeeded" in told(heard, good.job_id))
        assert told(heard, good.job_id) == ["job.started", "job.succeeded"]
        assert told(heard, bad.job_id) == ["job.started", "job.retrying", "job.started", "job.dead"]
        last = heard[-1]
        assert (last.queue, last.worker) == ("default", worker.worker_id)
        kinds = {event.kind for event in heard if event.job_id}
        assert kinds == {"events.fine", "events.fails"}
        assert "secret" not in repr(heard)


async def test_a_job_that_is_handed_back_or_cancelled_is_told(
    serve: Serve, producer: Producer, heard: list[Event]
) -> None:
    async with serve(waits, settings={"drain_timeout": timedelta(seconds=0)}):
        wanted, unwanted = await producer.enqueue(waits.of()), await producer.enqueue(waits.of())
        await eventually(lambda: told(heard, unwanted.job_id))
        await unwanted.cancel()
        await eventually(lambda: "job.cancelled" in told(heard, unwanted.job_id))
    await eventually(lambda: "job.released" in told(heard, wanted.job_id))


async def test_a_worker_says_that_it_comes_and_goes(serve: Serve, heard: list[Event]) -> None:
    async with serve(fine, queues=["mail", "default"]) as worker:
        await eventually(lambda: heard)
    await eventually(lambda: heard[-1].type is EventType.WORKER_STOPPED)
    assert [event.type for event in heard] == ["worker.started", "worker.stopped"]
    assert {(event.worker, event.queues) for event in heard} == {(worker.worker_id, ("mail", "default"))}


async def test_without_a_listener_a_batch_a_second_is_told_and_no_more(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(fine) as worker:
        await eventually(lambda: not worker.events.is_open)
        before, began = await published(client), time.monotonic()
        for _ in range(5):
            handles = await producer.enqueue_many([fine.of() for _ in range(50)])
            for handle in handles:
                await handle.result(timeout=20)  # type: ignore[union-attr]
        seconds = time.monotonic() - began
        assert await published(client) - before <= 2 * (seconds + 1)  # of 500 events
        assert len(worker.events._sender._waiting) == 0


async def test_a_worker_tells_no_more_than_it_may_and_says_so(
    serve: Serve, producer: Producer, heard: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_PER_SECOND", 20)
    monkeypatch.setattr(module, "_EVERY", 60.0)
    async with serve(fine):
        handles = await producer.enqueue_many([fine.of() for _ in range(100)])
        for handle in handles:
            await handle.result(timeout=20)  # type: ignore[union-attr]
        await eventually(lambda: any(event.type is EventType.EVENTS_SKIPPED for event in heard))
        assert len([event for event in heard if event.job_id]) == 19


async def test_a_redis_that_refuses_to_publish_hurts_no_job(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    await client.execute_command("ACL", "SETUSER", "default", "-publish")
    try:
        async with serve(fine) as worker:
            for number in range(3):
                await producer.enqueue(fine.of())
                await eventually(lambda: worker.jobs_complete > number)  # noqa: B023
            await eventually(lambda: not worker.events.is_open)
    finally:
        await client.execute_command("ACL", "SETUSER", "default", "+publish")


async def published(client: Redis) -> int:
    stats = await client.info("commandstats")
    return int(stats.get("cmdstat_publish", {}).get("calls", 0))


async def test_a_subscription_that_breaks_comes_back_and_says_so(redis_url: str, client: Redis) -> None:
    batches: list[list[Event] | None] = []

    async def collect() -> None:
        async with aclosing(listen(from_url(redis_url))) as told:
            async for batch in told:
                batches.append(batch)

    task = asyncio.create_task(collect())
    await eventually(lambda: batches == [None])
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await eventually(lambda: batches == [None, None])
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert await client.pubsub_numsub("monarq:events") == [(b"monarq:events", 0)]


async def test_what_cannot_be_read_is_left_out(redis_url: str, client: Redis, heard: list[Event]) -> None:
    for junk in (b"", b"{", b"[]", b'{"from":1}', b'{"from":"x","events":[1,{"type":"job.new"}]}'):
        await client.publish("monarq:events", junk)
    await client.publish(
        "monarq:events", b'{"from":"x","events":[{"type":"job.dead","at_ms":5,"more":[1]},{"type":[]}]}'
    )
    await eventually(lambda: heard)
    assert heard == [Event(type=EventType.JOB_DEAD, at_ms=5)]
