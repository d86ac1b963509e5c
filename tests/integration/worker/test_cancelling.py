"""Cancelling: at once for a job that waits; the handler of one that runs is stopped."""

import asyncio

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import JobCancelled
from monarq.jobs.retry import fixed
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import always, eventually
from .stage import stats, waiting

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
        handle = await producer.enqueue(hold.of(), delay=0.3)
        assert await handle.cancel() == "cancelled"
        assert await handle.status() is State.CANCELLED
        with pytest.raises(JobCancelled):
            await handle.result(timeout=1)
        await always(lambda: not started, during=0.5)
    assert await waiting(client) == 0


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
            await handle.result(timeout=1)
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
        assert await handle.result(timeout=1) == 7
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
