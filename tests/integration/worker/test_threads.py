"""Plain `def` handlers: in threads, beside the event loop; they are told to stop by `ctx.cancelled`."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import JobCancelled
from monarq.jobs.failure import Cause
from monarq.jobs.log import current_job
from monarq.jobs.retry import fixed
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import always, eventually
from .stage import dead_letter, failures_of, stats

started = threading.Event()
gate = threading.Event()
seen: list[Any] = []


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    started.clear()
    gate.clear()
    seen.clear()
    yield
    gate.set()


def job_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("monarq-job")]


@job("thread.add")
def add(ctx: JobContext, left: int, right: int = 1) -> int:
    seen.append((threading.current_thread().name, ctx.job_id, current_job.get() is ctx))
    return left + right


@job("thread.wait", max_attempts=1)
def wait(ctx: JobContext) -> str:
    """Looks at nothing."""
    started.set()
    gate.wait(30)
    return "done"


@job("thread.poll", max_attempts=1)
def poll(ctx: JobContext) -> None:
    """Works on until it is told to stop."""
    started.set()
    while not ctx.cancelled:
        gate.wait(0.01)
    seen.append("told")


@job("async.add")
async def async_add(ctx: JobContext, left: int) -> int:
    return left + 1


async def test_a_plain_function_runs_in_a_thread(serve: Serve, producer: Producer) -> None:
    """With the job's context, also for what it logs; arguments and result are checked as ever."""
    async with serve(add):
        handle = await producer.enqueue(add.of(1, right=2))
        assert await handle.result(timeout=20) == 3
    [(thread, job_id, is_current)] = seen
    assert thread.startswith("monarq-job")
    assert (job_id, is_current) == (handle.job_id, True)


async def test_threads_run_side_by_side_and_leave_the_loop_free(serve: Serve, producer: Producer) -> None:
    barrier = threading.Barrier(3, timeout=20)

    @job("thread.meet")
    def meet(ctx: JobContext) -> None:
        barrier.wait()

    async with serve(meet, async_add):
        handles = [await producer.enqueue(meet.of()) for _ in range(2)]
        await eventually(lambda: barrier.n_waiting == 2)
        assert await (await producer.enqueue(async_add.of(1))).result(timeout=20) == 2
        await asyncio.to_thread(barrier.wait)
        for handle in handles:
            await handle.result(timeout=20)


async def test_no_thread_is_started_before_a_job_needs_it(serve: Serve, producer: Producer) -> None:
    await eventually(lambda: not job_threads())
    async with serve(add, async_add):
        await (await producer.enqueue(async_add.of(1))).result(timeout=20)
        assert job_threads() == []
        for _ in range(5):
            await (await producer.enqueue(add.of(1))).result(timeout=20)
        assert len(job_threads()) == 1, "one job at a time needs one thread"
    await eventually(lambda: not job_threads())


async def test_a_cancelled_thread_is_told(serve: Serve, producer: Producer) -> None:
    async with serve(poll):
        handle = await producer.enqueue(poll.of())
        await eventually(started.is_set)
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
    assert seen == ["told"]


async def test_a_thread_past_its_timeout_is_told(serve: Serve, producer: Producer, client: Redis) -> None:
    late = job("thread.late", timeout=0.1, max_attempts=1)(poll.function)
    async with serve(late):
        handle = await producer.enqueue(late.of())
        letter = await dead_letter(client, handle.job_id)
    assert (letter.last.cause, letter.last.error_type) == (Cause.TIMEOUT, "TimeoutError")
    assert seen == ["told"]


async def test_a_worker_that_stops_tells_its_threads_and_hands_their_jobs_back(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(poll, settings={"drain_timeout": timedelta(0)}):
        handle = await producer.enqueue(poll.of())
        await eventually(started.is_set)
    assert seen == ["told"]
    assert await handle.status() is State.READY
    [failure] = await failures_of(client, handle.job_id)
    assert (failure.cause, failure.spent) == (Cause.INTERRUPTION, 0)


async def test_a_function_that_ends_without_having_looked_has_succeeded(
    serve: Serve, producer: Producer
) -> None:
    """It has done all of its work; to run it again would be to do it twice."""
    async with serve(wait) as worker:
        handle = await producer.enqueue(wait.of())
        await eventually(started.is_set)
        [run] = worker.runs
        await handle.cancel()
        await eventually(lambda: run.stopped_for)
        gate.set()
        assert await handle.result(timeout=20) == "done"


async def test_a_runaway_ends_its_job_and_keeps_its_place(
    serve: Serve, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job ended as what it was; the next ones go to other workers, until the function has returned."""
    monkeypatch.setattr("monarq.worker.threads.STOP_GRACE", 0.05)
    with capture_logs() as lines:
        async with serve(wait, add, settings={"threads": 1}) as worker:
            runaway = await producer.enqueue(wait.of())
            await eventually(started.is_set)
            await runaway.cancel()
            with pytest.raises(JobCancelled):
                await runaway.result(timeout=20)
            assert worker.threads.runaways == 1
            homeless = await producer.enqueue(add.of(1))
            await eventually(lambda: worker.journal.released == 1)
            assert await homeless.status() is State.SCHEDULED
            gate.set()
            await eventually(lambda: worker.threads.runaways == 0)
            assert await (await producer.enqueue(add.of(1))).result(timeout=20) == 2
    [told] = [line for line in lines if line["event"] == "job.runaway"]
    assert (told["job_id"], told["kind"]) == (runaway.job_id, "thread.wait")


async def test_a_job_waits_for_a_thread_and_its_time_with_it(serve: Serve, producer: Producer) -> None:
    brief = job("thread.brief", timeout=0.2, max_attempts=1)(add.function)
    async with serve(wait, brief, settings={"threads": 1}) as worker:
        first = await producer.enqueue(wait.of())
        await eventually(started.is_set)
        second = await producer.enqueue(brief.of(1))
        await eventually(lambda: len(worker.runs) == 2)
        await always(lambda: not seen, during=0.4)
        gate.set()
        assert await first.result(timeout=20) == "done"
        assert await second.result(timeout=20) == 2


async def test_a_job_that_waits_for_a_thread_can_be_cancelled(serve: Serve, producer: Producer) -> None:
    async with serve(wait, add, settings={"threads": 1}) as worker:
        first = await producer.enqueue(wait.of())
        await eventually(started.is_set)
        second = await producer.enqueue(add.of(1))
        await eventually(lambda: len(worker.runs) == 2)
        await second.cancel()
        with pytest.raises(JobCancelled):
            await second.result(timeout=20)
        gate.set()
        assert await first.result(timeout=20) == "done"
        assert await (await producer.enqueue(add.of(1))).result(timeout=20) == 2


async def test_a_job_that_finds_no_thread_for_a_while_goes_back(
    serve: Serve, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may have one.  No attempt is spent, and nothing is recorded against it."""
    monkeypatch.setattr("monarq.worker.room.PATIENCE", 0.05)
    async with serve(wait, add, settings={"threads": 1}) as worker:
        await producer.enqueue(wait.of())
        await eventually(started.is_set)
        handle = await producer.enqueue(add.of(1))
        await eventually(lambda: worker.journal.released == 1)
        assert await handle.status() is State.SCHEDULED
        gate.set()


@pytest.mark.parametrize(
    "error",
    [StopIteration("x"), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), ValueError("x")],
    ids=repr,
)
async def test_whatever_a_function_raises_is_its_jobs_end_only(
    serve: Serve, producer: Producer, client: Redis, error: BaseException
) -> None:
    @job("thread.raise", max_attempts=1, backoff=fixed(0))
    def throw(ctx: JobContext) -> None:
        raise error

    async with serve(throw, add, settings={"threads": 1}):
        handle = await producer.enqueue(throw.of())
        await dead_letter(client, handle.job_id)
        assert await (await producer.enqueue(add.of(1))).result(timeout=20) == 2
    assert (await stats(client))["dead"] == 1


async def test_a_busy_thread_keeps_its_lease(serve: Serve, producer: Producer, client: Redis) -> None:
    """Two leases of work that never lets go of the processor, with a second worker that would take over."""

    def spin(ctx: JobContext, note: Callable[[], None]) -> None:
        note()
        until = time.monotonic() + 4.5
        while time.monotonic() < until:
            pass

    @job("thread.spin")
    def spinning(ctx: JobContext) -> None:
        spin(ctx, lambda: seen.append(ctx.job_id))

    settings = {"lease": timedelta(seconds=2)}
    async with serve(spinning, settings=settings), serve(spinning, settings=settings):
        handle = await producer.enqueue(spinning.of())
        await handle.result(timeout=20)
    assert seen == [handle.job_id]
    assert not (await stats(client)).keys() & {"refused", "crashed"}
