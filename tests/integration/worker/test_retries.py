"""What a failed attempt leads to: another one, later, or a dead letter that tells all."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from monarq.jobs import Discard, JobContext, Retry, State, job
from monarq.jobs.errors import JobExpired, JobFailed
from monarq.jobs.failure import Cause
from monarq.jobs.retry import Backoff, exponential, fixed, linear
from monarq.producer import JobHandle, Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, failures_of, stats

SEED = 20240229


class Declined(Exception):
    """The card was."""


class Insolvent(Declined):
    """For good."""


async def has_state(handle: JobHandle[Any], state: State) -> bool:
    return await handle.status() is state


async def test_a_job_that_fails_twice_succeeds_at_its_third_attempt(serve: Serve, producer: Producer) -> None:
    @job("third.time", backoff=fixed(0.01))
    async def third_time(ctx: JobContext) -> int:
        if ctx.attempt < 3:
            raise Declined
        return ctx.attempt

    async with serve(third_time) as worker:
        assert await (await producer.enqueue(third_time.of())).result(timeout=20) == 3
        assert (worker.journal.retried, worker.journal.complete) == (2, 1)


async def test_a_dead_letter_holds_the_envelope_and_every_attempt(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """After `max_attempts` failures; who waits for the result gets the last one."""

    @job("charge", max_attempts=3, backoff=fixed(0.01))
    async def charge(ctx: JobContext, amount: int) -> None:
        raise Declined(f"no {amount} at attempt {ctx.attempt}")

    async with serve(charge) as worker:
        handle = await producer.enqueue(charge.of(amount=12))
        with pytest.raises(JobFailed) as failed:
            await handle.result(timeout=20)
        letter = await dead_letter(client, handle.job_id)
        assert await handle.status() is State.DEAD
    assert (letter.envelope.kind, letter.envelope.kwargs) == ("charge", {"amount": 12})
    assert [failure.spent for failure in letter.failures] == [1, 2, 3]
    assert [failure.message for failure in letter.failures] == [f"no 12 at attempt {n}" for n in (1, 2, 3)]
    assert {failure.error_type for failure in letter.failures} == {"Declined"}
    assert {failure.worker for failure in letter.failures} == {worker.worker_id}
    assert {failure.cause for failure in letter.failures} == {Cause.ERROR}
    for failure in letter.failures:
        assert 'raise Declined(f"no {amount}' in failure.traceback
        assert 0 < failure.started_ms <= failure.ended_ms
    assert (failed.value.kind, failed.value.error_type) == ("charge", "Declined")
    assert "no 12 at attempt 3" in str(failed.value)
    assert await client.exists(f"arq:job:{handle.job_id}", f"arq:in-progress:{handle.job_id}") == 0


@pytest.mark.parametrize(
    "backoff",
    [
        fixed(30),
        linear(20),
        exponential(timedelta(seconds=90)),
        exponential(10, jitter=False),
        [40, 50],
        lambda attempt: 60.0 * attempt,
    ],
    ids=["fixed", "linear", "full jitter", "exponential", "list", "callable"],
)
async def test_the_next_attempt_waits_as_long_as_the_policy_says(
    serve: Serve,
    producer: Producer,
    client: Redis,
    backoff: Backoff | list[float] | Callable[[int], float],
) -> None:
    """By the server's clock; the random source is pinned, so that even the jitter is known."""

    @job("wait", backoff=backoff)
    async def wait(ctx: JobContext) -> None:
        raise Declined

    async with serve(wait) as worker:
        worker.executor._classifier._random = Random(SEED)
        handle = await producer.enqueue(wait.of())
        await eventually(lambda: has_state(handle, State.RETRYING))
        [failure] = await failures_of(client, handle.job_id)
        due_ms = await client.zscore("arq:queue", handle.job_id)
    expected = wait.policy.backoff.delay(1, Random(SEED)) / timedelta(milliseconds=1)
    recorded_late_ms = due_ms - failure.ended_ms - expected  # it counts from when the server heard of it
    assert -10 <= recorded_late_ms < 5_000


async def test_retry_runs_the_job_again_after_the_time_it_names(serve: Serve, producer: Producer) -> None:
    """And spends an attempt."""
    starts: list[float] = []

    @job("again", backoff=fixed(3600), retry_on=())
    async def again(ctx: JobContext) -> int:
        starts.append(asyncio.get_running_loop().time())
        if ctx.attempt == 1:
            raise Retry(defer=0.2)
        return ctx.attempt

    async with serve(again):
        assert await (await producer.enqueue(again.of())).result(timeout=20) == 2
    assert starts[1] - starts[0] >= 0.19


async def test_retry_without_a_time_waits_by_the_policy(serve: Serve, producer: Producer) -> None:
    @job("again", backoff=fixed(0.01))
    async def again(ctx: JobContext) -> int:
        if ctx.attempt == 1:
            raise Retry
        return ctx.attempt

    async with serve(again):
        assert await (await producer.enqueue(again.of())).result(timeout=20) == 2


async def test_retry_at_the_last_attempt_is_a_dead_letter(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("again", max_attempts=2)
    async def again(ctx: JobContext) -> None:
        raise Retry(defer=0)

    async with serve(again):
        letter = await dead_letter(client, (await producer.enqueue(again.of())).job_id)
    assert [failure.error_type for failure in letter.failures] == ["Retry", "Retry"]


async def test_discard_is_a_dead_letter_at_once(serve: Serve, producer: Producer, client: Redis) -> None:
    @job("give.up", max_attempts=5)
    async def give_up(ctx: JobContext) -> None:
        raise Discard("the customer is gone")

    async with serve(give_up):
        letter = await dead_letter(client, (await producer.enqueue(give_up.of())).job_id)
    [failure] = letter.failures
    assert (failure.error_type, failure.message) == ("Discard", "the customer is gone")


@pytest.mark.parametrize(
    ("options", "error", "attempts"),
    [
        ({"retry_on": Declined}, Insolvent, 2),
        ({"retry_on": (Declined, OSError)}, TimeoutError, 2),
        ({"retry_on": OSError}, Declined, 1),
        ({"discard_on": Insolvent}, Insolvent, 1),
        ({"discard_on": Insolvent}, Declined, 2),
        ({"retry_on": Insolvent, "discard_on": Declined}, Insolvent, 1),
        ({"retry_on": lambda error: "again" in str(error)}, lambda: Declined("try again"), 2),
        ({"retry_on": lambda error: "again" in str(error)}, lambda: Declined("never"), 1),
        ({"discard_on": lambda error: "never" in str(error)}, lambda: Declined("never"), 1),
        ({"retry_on": lambda error: 1 / 0}, Declined, 2),
    ],
    ids=[
        "a subclass of retry_on",
        "one of retry_on's types",
        "not of retry_on",
        "of discard_on",
        "not of discard_on",
        "discard_on wins",
        "the predicate says yes",
        "the predicate says no",
        "the discard predicate says yes",
        "a broken predicate keeps the job",
    ],
)
async def test_retry_on_and_discard_on_choose_which_errors_are_worth_another_attempt(
    serve: Serve,
    producer: Producer,
    client: Redis,
    options: dict[str, Any],
    error: Callable[[], Exception],
    attempts: int,
) -> None:
    @job("choosy", max_attempts=2, backoff=fixed(0), **options)
    async def choosy(ctx: JobContext) -> None:
        raise error()

    async with serve(choosy):
        letter = await dead_letter(client, (await producer.enqueue(choosy.of())).job_id)
    assert len(letter.failures) == attempts


async def test_a_broken_backoff_costs_no_attempt_and_hides_no_error(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """The app's own function of the attempt raises: the job waits as jobs without one do."""

    def backoff(attempt: int) -> float:
        raise LookupError("no such attempt")

    @job("unlucky", backoff=backoff)
    async def unlucky(ctx: JobContext) -> None:
        raise Declined

    async with serve(unlucky) as worker:
        handle = await producer.enqueue(unlucky.of())
        await eventually(lambda: worker.journal.retried == 1)
        assert await handle.status() in (State.RETRYING, State.READY)
    [failure] = await failures_of(client, handle.job_id)
    assert failure.error_type == "Declined"


async def test_a_timeout_cancels_the_handler_and_spends_an_attempt(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    cleaned_up: list[int] = []

    @job("slow", timeout=0.1, max_attempts=2, backoff=fixed(0))
    async def slow(ctx: JobContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(ctx.attempt)

    async with serve(slow):
        letter = await dead_letter(client, (await producer.enqueue(slow.of())).job_id)
    assert cleaned_up == [1, 2]
    assert [(failure.cause, failure.spent) for failure in letter.failures] == [
        (Cause.TIMEOUT, 1),
        (Cause.TIMEOUT, 2),
    ]
    assert "timed out after 0:00:00.1" in letter.last.message
    assert "asyncio.Event().wait()" in letter.last.traceback


async def test_a_timeout_that_is_not_worth_a_retry_is_a_dead_letter_at_once(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("slow", timeout=0.05, retry_on=Declined)
    async def slow(ctx: JobContext) -> None:
        await asyncio.Event().wait()

    async with serve(slow):
        letter = await dead_letter(client, (await producer.enqueue(slow.of())).job_id)
    assert len(letter.failures) == 1


async def test_a_handler_with_timeouts_of_its_own_is_left_alone(serve: Serve, producer: Producer) -> None:
    @job("patient", timeout=5)
    async def patient(ctx: JobContext) -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "went on"
        return "never"

    async with serve(patient):
        assert await (await producer.enqueue(patient.of())).result(timeout=20) == "went on"


async def test_a_job_past_its_deadline_expires_unrun(serve: Serve, producer: Producer, client: Redis) -> None:
    starts: list[str] = []

    @job("news")
    async def news(ctx: JobContext) -> None:
        starts.append(ctx.job_id)

    handle = await producer.enqueue(news.of(), expires_in=0.05)
    fresh = await producer.enqueue(news.of(), expires_in=60)

    async def is_past() -> bool:
        seconds, microseconds = await client.time()
        score = await client.zscore("arq:queue", handle.job_id)
        return bool(seconds * 1000 + microseconds // 1000 > score + 60)

    await eventually(is_past)
    async with serve(news):
        with pytest.raises(JobExpired):
            await handle.result(timeout=20)
        assert await handle.status() is State.EXPIRED
        await fresh.result(timeout=20)
    assert starts == [fresh.job_id]
    assert (await stats(client))["expired"] == 1
    assert await client.zcard("monarq:dead:default") == 0
