"""Cancelling: at once for a job that waits; the handler of one that runs is stopped."""

import asyncio

import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.actor import this_actor
from monarq.jobs.errors import JobCancelled
from monarq.jobs.failure import Cause
from monarq.jobs.retry import fixed
from monarq.producer import Producer, SyncProducer

from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, stats, waiting

started: list[str] = []
stopped: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_started() -> None:
    started.clear()
    stopped.clear()


@job("hold")
async def hold(ctx: JobContext) -> None:
    started.append(ctx.job_id)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        stopped.append(ctx.job_id)
        raise


@job("fail", backoff=fixed(3600))
async def fail(ctx: JobContext) -> None:
    started.append(ctx.job_id)
    raise ValueError


async def test_a_scheduled_job_is_cancelled_at_once(serve: Serve, producer: Producer, client: Redis) -> None:
    async with serve(hold):
        handle = await producer.enqueue(hold.of(), delay=3600)
        assert await handle.cancel() == "cancelled"
        assert await handle.status() is State.CANCELLED
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
        assert await waiting(client) == 0
    assert started == []


async def test_a_ready_job_is_cancelled_at_once(serve: Serve, producer: Producer) -> None:
    """No worker is needed for it."""
    handle = await producer.enqueue(hold.of())
    assert await handle.cancel() == "cancelled"
    async with serve(hold) as worker:
        await eventually(lambda: worker.fetcher._idle is not None)
    assert started == []


async def test_a_job_that_waits_for_its_next_attempt_is_cancelled_at_once(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(fail) as worker:
        handle = await producer.enqueue(fail.of())
        await eventually(lambda: worker.journal.retried == 1)
        assert await handle.cancel() == "cancelled"
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
    assert await client.keys("*failures*") == []


async def test_the_handler_of_a_running_job_is_stopped_soon(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(hold):
        handle, other = [await producer.enqueue(hold.of()) for _ in range(2)]
        await eventually(lambda: len(started) == 2)
        assert await handle.cancel() == "requested"
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
        assert stopped == [handle.job_id]
        assert await handle.status() is State.CANCELLED
        assert await other.status() is State.RUNNING
        assert await client.exists("arq:abort") == 0
    assert (await stats(client))["cancelled"] == 1


async def test_cancelling_spends_no_attempt_and_is_never_retried(serve: Serve, producer: Producer) -> None:
    async with serve(hold) as worker:
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
        assert worker.journal.retried == 0
    assert started == [handle.job_id]


async def test_cancelling_a_job_that_has_ended_is_too_late(serve: Serve, producer: Producer) -> None:
    @job("quick")
    async def quick(ctx: JobContext) -> int:
        return 7

    async with serve(quick):
        handle = await producer.enqueue(quick.of())
        await handle.result(timeout=20)
        assert await handle.cancel() == "ended"
        assert await handle.result(timeout=20) == 7
    assert await producer.job("nobody").cancel() == "unknown"


async def test_a_cancellation_that_was_asked_for_before_the_start_prevents_it(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """arq's `abort()` only leaves a note; the worker that claims the job reads it."""
    handle = await producer.enqueue(hold.of())
    await client.zadd("arq:abort", {handle.job_id: 1})
    async with serve(hold):
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
    assert started == []


async def test_a_job_that_finishes_while_it_is_cancelled_has_one_end(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """Whichever was first; and nothing of the request stays behind."""

    @job("brief")
    async def brief(ctx: JobContext) -> str:
        started.append(ctx.job_id)
        await asyncio.sleep(0.05)
        return "done"

    async with serve(brief) as worker:
        handles = [await producer.enqueue(brief.of()) for _ in range(30)]
        await eventually(lambda: len(started) == 30)
        await asyncio.gather(*(handle.cancel() for handle in handles))
        ends = await asyncio.gather(
            *(handle.result(timeout=20) for handle in handles), return_exceptions=True
        )
        await eventually(lambda: not worker.runs)
    assert all(end == "done" or isinstance(end, JobCancelled) for end in ends)
    counted = await stats(client)
    assert counted.get("succeeded", 0) + counted.get("cancelled", 0) == 30
    assert await client.exists("arq:abort") == 0


# --- who, why, and who won


async def test_who_waits_learns_who_cancelled_a_running_job_and_why(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with serve(hold):
            handle = await producer.enqueue(hold.of())
            await eventually(lambda: started)
            assert await handle.cancel("wrong file", by="ann@web-1", wait=20) == "cancelled"
            with pytest.raises(JobCancelled, match="cancelled by ann@web-1: wrong file") as cancelled:
                await handle.result(timeout=20)
            assert (cancelled.value.by, cancelled.value.reason) == ("ann@web-1", "wrong file")
    [line] = [line for line in logs if line["event"] == "job.cancelled"]
    assert (line["by"], line["reason"], line["cause"]) == ("ann@web-1", "wrong file", "cancellation")
    assert await client.keys("monarq:cancels:*") == []
    counted = await stats(client)
    assert (counted["cancelled"], counted["failed:cancellation"]) == (1, 1)


async def test_who_waits_learns_who_cancelled_a_waiting_job_and_why(producer: Producer) -> None:
    handle = await producer.enqueue(hold.of())
    assert await handle.cancel("wrong file", by="ann@web-1") == "cancelled"
    assert await handle.cancel("again", by="bob") == "cancelled"
    with pytest.raises(JobCancelled) as cancelled:
        await handle.result(timeout=20)
    assert (cancelled.value.by, cancelled.value.reason) == ("ann@web-1", "wrong file")


async def test_who_does_not_say_who_is_the_user_of_the_process(producer: Producer) -> None:
    handle = await producer.enqueue(hold.of())
    await handle.cancel()
    with pytest.raises(JobCancelled) as cancelled:
        await handle.result(timeout=20)
    assert cancelled.value.by == this_actor()
    assert "@" in this_actor()


async def test_the_sync_producer_cancels_in_the_same_way(
    serve: Serve, producer: Producer, redis_url: str
) -> None:
    async with serve(hold):
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        with SyncProducer.connect(redis_url) as sync_producer:
            same = sync_producer.job(handle.job_id)
            assert await asyncio.to_thread(same.cancel, "wrong file", by="ann", wait=20) == "cancelled"
        with pytest.raises(JobCancelled, match="cancelled by ann: wrong file"):
            await handle.result(timeout=20)


async def test_a_wait_that_is_too_short_leaves_the_request(
    producer: Producer, client: Redis, redis_url: str
) -> None:
    handle = await producer.enqueue(hold.of())
    await client.set(f"arq:in-progress:{handle.job_id}", "1", px=60_000)  # as a worker of arq's own would
    with pytest.raises(TimeoutError):
        await handle.cancel(wait=0.05)
    with SyncProducer.connect(redis_url) as sync_producer, pytest.raises(TimeoutError):
        await asyncio.to_thread(sync_producer.job(handle.job_id).cancel, wait=0.05)
    assert await client.zscore("arq:abort", handle.job_id) is not None


async def test_a_job_that_wins_against_its_cancellation_is_told_to_both_sides(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """Its result stands; who cancelled learns `ended`, the worker logs `job.cancel_too_late`."""

    @job("stubborn")
    async def stubborn(ctx: JobContext) -> str:
        started.append(ctx.job_id)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    with structlog.testing.capture_logs() as logs:
        async with serve(stubborn):
            handle = await producer.enqueue(stubborn.of())
            await eventually(lambda: started)
            assert await handle.cancel("wrong file", by="ann", wait=20) == "ended"
            assert await handle.result(timeout=20) == "done all the same"
    [line] = [line for line in logs if line["event"] == "job.cancel_too_late"]
    assert (line["outcome"], line["by"], line["reason"]) == ("succeeded", "ann", "wrong file")
    assert await client.exists("arq:abort", "monarq:cancels:default") == 0


async def test_the_end_of_a_cancelled_job_can_be_read_though_its_kind_keeps_no_results(
    serve: Serve, producer: Producer
) -> None:
    @job("secret", keep_result=0)
    async def secret(ctx: JobContext) -> None:
        started.append(ctx.job_id)
        await asyncio.Event().wait()

    async with serve(secret):
        waiting_one, running_one = (
            await producer.enqueue(secret.of(), delay=60),
            await producer.enqueue(secret.of()),
        )
        await eventually(lambda: started)
        assert await waiting_one.cancel() == "cancelled"
        assert await running_one.cancel(wait=20) == "cancelled"
        assert await running_one.status() is await waiting_one.status() is State.CANCELLED


async def test_an_error_on_the_way_out_does_not_make_a_cancelled_job_run_again(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """Nor one before the worker has heard of it: whoever claims the job next ends it, at once."""

    @job("failing", backoff=fixed(3600))
    async def failing(ctx: JobContext) -> None:
        started.append(ctx.job_id)
        await until.wait()
        raise ValueError

    until = asyncio.Event()
    async with serve(failing):
        handle = await producer.enqueue(failing.of())
        await eventually(lambda: started)
        await handle.cancel("enough")
        until.set()
        with pytest.raises(JobCancelled, match="enough"):
            await handle.result(timeout=20)
    assert started == [handle.job_id]
    assert await client.keys("*failures*") == []


async def test_a_job_of_an_unknown_kind_is_cancelled_by_whoever_claims_it(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(fail):
        await client.zadd("arq:abort", {"stranger": 1})
        handle = await producer.enqueue(hold.of(), job_id="stranger")
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)


# --- handlers that do not stop


async def test_a_handler_that_ignores_its_cancellation_is_given_up_after_the_grace(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """The job has ended; its handler keeps its slot for as long as it goes on, and its result is dropped."""
    release = asyncio.Event()

    @job("deaf")
    async def deaf(ctx: JobContext) -> str:
        started.append(ctx.job_id)
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                stopped.append(ctx.job_id)
        return "late"

    with structlog.testing.capture_logs() as logs:
        async with serve(deaf, settings={"cancel_grace": 0.2}) as worker:
            handle = await producer.enqueue(deaf.of())
            await eventually(lambda: started)
            assert await handle.cancel("enough", wait=20) == "cancelled"
            assert worker.slots.busy == 1
            release.set()
            await eventually(lambda: worker.slots.busy == 0)
            assert await handle.status() is State.CANCELLED
    assert stopped == [handle.job_id]
    [line] = [line for line in logs if line["event"] == "job.abandoned"]
    assert line["cause"] == "cancellation"
    assert "await release.wait()" in line["stack"]
    assert "job.lease_lost" not in {line["event"] for line in logs}
    assert (await stats(client))["cancelled"] == 1


async def test_a_handler_that_ignores_its_timeout_has_timed_out(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    release = asyncio.Event()

    @job("deaf", timeout=0.05, max_attempts=1)
    async def deaf(ctx: JobContext) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with serve(deaf, settings={"cancel_grace": 0.2}):
        letter = await dead_letter(client, (await producer.enqueue(deaf.of())).job_id)
        release.set()
    assert letter.last.cause is Cause.TIMEOUT
    assert (await stats(client))["failed:timeout"] == 1
