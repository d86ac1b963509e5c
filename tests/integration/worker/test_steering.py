"""Handlers that steer their own job: not now, not at all, at a time that an error carries; and deadlines."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import Cancel, JobContext, Snooze, State, job
from monarq.jobs.errors import JobCancelled, JobExpired
from monarq.jobs.failure import Cause
from monarq.jobs.retry import fixed
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import failures_of, stats, waiting


async def test_a_snoozed_job_waits_and_has_spent_nothing(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    attempts: list[int] = []

    @job("snoozing", max_attempts=1)
    async def snoozing(ctx: JobContext) -> str:
        attempts.append(ctx.attempt)
        if len(attempts) < 4:
            raise (
                Snooze(0.05)
                if len(attempts) % 2
                else Snooze(until=datetime.now(UTC) + timedelta(seconds=0.05))
            )
        return "awake"

    with structlog.testing.capture_logs() as logs:
        async with serve(snoozing):
            handle = await producer.enqueue(snoozing.of())
            assert await handle.result(timeout=20) == "awake"
    assert attempts == [1, 1, 1, 1]
    assert not any(name.startswith("failed:") for name in await stats(client))
    assert [line["event"] for line in logs].count("job.snoozed") == 3


async def test_a_snoozed_job_is_scheduled_and_leaves_no_failure(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("snoozing")
    async def snoozing(ctx: JobContext) -> None:
        raise Snooze(timedelta(hours=1))

    async with serve(snoozing) as worker:
        handle = await producer.enqueue(snoozing.of())
        await eventually(lambda: worker.journal.released == 1)
        assert await handle.status() is State.SCHEDULED
        assert await failures_of(client, handle.job_id) == []
        assert await handle.cancel() == "cancelled"


async def test_a_job_that_cancels_itself_is_cancelled_and_no_dead_letter(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("obsolete")
    async def obsolete(ctx: JobContext) -> None:
        raise Cancel("paid meanwhile")

    async with serve(obsolete):
        handle = await producer.enqueue(obsolete.of())
        with pytest.raises(JobCancelled) as cancelled:
            await handle.result(timeout=20)
    assert (cancelled.value.by, cancelled.value.reason) == ("handler", "paid meanwhile")
    assert await client.zcard("monarq:dead:default") == 0
    assert await waiting(client) == 0


async def test_an_error_that_says_when_is_tried_again_then(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    class Busy(Exception):
        retry_after = 0.2

    @job("polite", backoff=fixed(3600), max_attempts=2)
    async def polite(ctx: JobContext) -> int:
        if ctx.attempt == 1:
            raise Busy
        return ctx.attempt

    async with serve(polite):
        begun = time.monotonic()
        assert await (await producer.enqueue(polite.of())).result(timeout=20) == 2
        assert time.monotonic() - begun >= 0.2
    assert (await stats(client))["failed:error"] == 1


# --- deadlines


@pytest.mark.parametrize("timeout", [None, 60])
async def test_a_job_that_runs_past_its_deadline_is_stopped_there_and_expires(
    serve: Serve, producer: Producer, client: Redis, timeout: float | None
) -> None:
    """Not retried: there is no time left for another attempt."""
    stopped: list[str] = []

    @job("slow", timeout=timeout)
    async def slow(ctx: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(ctx.job_id)

    with structlog.testing.capture_logs() as logs:
        async with serve(slow):
            begun = time.monotonic()
            handle = await producer.enqueue(slow.of(), expires_in=2)
            with pytest.raises(JobExpired, match="while it was running"):
                await handle.result(timeout=20)
            assert time.monotonic() - begun > 1.9
    assert stopped == [handle.job_id]
    counted = await stats(client)
    assert (counted["expired"], counted["failed:timeout"]) == (1, 1)
    [line] = [line for line in logs if line["event"] == "job.expired"]
    assert line["cause"] is Cause.TIMEOUT
    assert await client.keys("*failures*") == []


async def test_a_timeout_before_the_deadline_is_a_timeout(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("slow", timeout=0.05, backoff=fixed(0.01))
    async def slow(ctx: JobContext) -> int:
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return ctx.attempt

    async with serve(slow):
        assert await (await producer.enqueue(slow.of(), expires_in=60)).result(timeout=20) == 2
    assert (await stats(client))["failed:timeout"] == 1


async def test_a_deadline_that_passes_between_two_attempts_is_told_so(
    serve: Serve, producer: Producer
) -> None:
    @job("failing", backoff=fixed(2.5))
    async def failing(ctx: JobContext) -> None:
        raise ValueError

    async with serve(failing):
        handle = await producer.enqueue(failing.of(), expires_in=2)
        with pytest.raises(JobExpired, match="before attempt 2"):
            await handle.result(timeout=20)
