"""From what a handler raised, or why it was stopped, to the outcome: each way is exactly one end."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic_core import from_json, to_json

from monarq.jobs import Cancel, Discard, JobContext, Retry, Snooze, job
from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.codec import Codecs
from monarq.jobs.envelope import decode
from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Cancelled, Dead, Expired, Released, Retrying, Snoozed
from monarq.jobs.retry import fixed
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed
from monarq.worker.classification import LONGEST_RETRY_AFTER, Classifier, retry_after, sole_error
from monarq.worker.run import Run
from monarq.worker.runnable import Runnable, from_handler

NOW = datetime(2030, 1, 31, 9, 0, tzinfo=UTC)
NAIVE = NOW.replace(tzinfo=None)
NOW_MS = round(NOW.timestamp() * 1000)
MINUTE = timedelta(minutes=1)


@job("charge", max_attempts=3, backoff=fixed(7))
async def charge(ctx: JobContext) -> None: ...


def a_run(*, spent: int = 0, runnable: Runnable | None = None) -> Run:
    body = to_json({"t": None, "f": "charge", "a": [], "k": {}, "et": NOW_MS})
    claimed = Claimed(queue_keys("default"), "j", 1, NOW_MS, spent, 0, 0, False, body, NOW_MS)
    run = Run(claimed, "w:1", leased_until=0)
    run.envelope = decode(body)
    run.runnable = runnable or from_handler(charge)
    return run


def outcome_of(error: BaseException, run: Run | None = None) -> Any:
    run = run or a_run()
    assert run.runnable is not None
    return Classifier(Codecs(), worker_id="w", max_crashes=3).failure(run, run.runnable, error)


def told(outcome: Any) -> dict[str, Any]:
    """What the result record says."""
    record: dict[str, Any] = from_json(outcome.result)["r"]
    return record


class Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        self.retry_after = retry_after


# --- control exceptions


def test_a_snooze_spends_nothing_and_leaves_no_failure() -> None:
    assert outcome_of(Snooze(90)) == Snoozed(timedelta(seconds=90))
    assert outcome_of(Snooze(MINUTE)) == Snoozed(MINUTE)
    assert outcome_of(Snooze(0), a_run(spent=2)) == Snoozed(timedelta(0))


def test_a_snooze_until_a_time_is_measured_by_the_servers_clock() -> None:
    """The worker's own clock says something else altogether here."""
    outcome = outcome_of(Snooze(until=NOW + MINUTE))
    assert MINUTE - timedelta(seconds=10) < outcome.delay <= MINUTE
    assert outcome_of(Snooze(until=NOW - MINUTE)).delay == timedelta(0)


def test_a_job_that_cancels_itself_is_cancelled_by_its_handler() -> None:
    outcome = outcome_of(Cancel("already paid"))
    assert isinstance(outcome, Cancelled)
    assert outcome.failure is not None
    assert outcome.failure.cause is Cause.CANCELLATION
    record = told(outcome)
    assert (record["by"], record["reason"], record["cause"]) == ("handler", "already paid", "cancellation")
    assert record["message"] == "cancelled by handler: already paid"


def test_a_discard_is_a_dead_letter_and_a_retry_is_later() -> None:
    assert isinstance(outcome_of(Discard("no")), Dead)
    assert outcome_of(Retry(30)).delay == timedelta(seconds=30)
    assert outcome_of(Retry()).delay == timedelta(seconds=7)


@pytest.mark.parametrize("error", [Snooze(5), Cancel("x"), Discard("x"), Retry(5), Busy(5)])
def test_what_one_task_of_a_group_raised_counts_as_the_handlers_own(error: Exception) -> None:
    """A handler that uses a TaskGroup raises a group of one."""
    plain, grouped = (
        outcome_of(error),
        outcome_of(ExceptionGroup("group", [ExceptionGroup("inner", [error])])),
    )
    assert type(grouped) is type(plain)
    assert getattr(grouped, "delay", None) == getattr(plain, "delay", None)


def test_a_group_of_several_stays_a_group() -> None:
    group = ExceptionGroup("both", [Snooze(5), ValueError()])
    assert sole_error(group) is group
    assert outcome_of(group).failure.error_type == "ExceptionGroup"


@pytest.mark.parametrize("given", [{}, {"delay": 5, "until": NOW}, {"delay": -1}, {"until": NAIVE}])
def test_a_snooze_that_cannot_be_meant_is_an_error_that_names_it(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Snooze"):
        Snooze(**given)


# --- what is no Exception


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        SystemExit(3),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseExceptionGroup("x", [SystemExit(1)]),
    ],
)
def test_a_handler_that_raises_what_is_no_exception_has_failed_like_any_other(error: BaseException) -> None:
    outcome = outcome_of(error)
    assert isinstance(outcome, Retrying)
    assert outcome.failure.cause is Cause.ERROR
    assert outcome.failure.error_type == type(error).__name__
    assert isinstance(outcome_of(error, a_run(spent=2)), Dead)


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"retry_on": OSError}, Dead),
        ({"retry_on": SystemExit}, Retrying),
        ({"discard_on": SystemExit}, Dead),
        ({"discard_on": ValueError}, Retrying),
        ({"retry_on": lambda error: isinstance(error, SystemExit)}, Retrying),
    ],
)
def test_a_policy_decides_on_it_as_on_any_error(options: dict[str, Any], outcome: type) -> None:
    @job("strict", **options)
    async def strict(ctx: JobContext) -> None: ...

    assert isinstance(outcome_of(SystemExit(1), a_run(runnable=from_handler(strict))), outcome)


# --- the time that an error carries


@pytest.mark.parametrize(
    ("wish", "wait"),
    [
        (30, timedelta(seconds=30)),
        (0.5, timedelta(seconds=0.5)),
        (MINUTE, MINUTE),
        (NOW + MINUTE, MINUTE),
        (NOW - MINUTE, timedelta(0)),
        (-5, timedelta(0)),
        (10**9, LONGEST_RETRY_AFTER),
        (10**400, LONGEST_RETRY_AFTER),
        (float("inf"), LONGEST_RETRY_AFTER),
        (timedelta(days=400), LONGEST_RETRY_AFTER),
    ],
)
def test_an_error_may_say_when_to_try_again(wish: Any, wait: timedelta) -> None:
    assert retry_after(Busy(wish), NOW) == wait


@pytest.mark.parametrize("wish", [None, "soon", True, float("nan"), NAIVE, [5]])
def test_an_error_that_says_it_in_another_way_says_nothing(wish: Any) -> None:
    assert retry_after(Busy(wish), NOW) is None
    assert retry_after(ValueError(), NOW) is None


def test_the_time_that_an_error_carries_takes_the_place_of_the_backoff() -> None:
    assert outcome_of(Busy(90)).delay == timedelta(seconds=90)
    assert outcome_of(Busy(None)).delay == timedelta(seconds=7)


def test_an_error_whose_wish_raises_is_an_error_like_any_other() -> None:
    class Broken(Exception):
        @property
        def retry_after(self) -> float:
            raise RuntimeError

    assert outcome_of(Broken()).delay == timedelta(seconds=7)


def test_a_backoff_that_raises_costs_no_job() -> None:
    @job("odd", backoff=lambda attempt: 1 / 0)
    async def odd(ctx: JobContext) -> None: ...

    assert isinstance(outcome_of(ValueError(), a_run(runnable=from_handler(odd))), Retrying)


# --- being stopped


def stopped(cause: Cause, **facts: Any) -> Any:
    run = a_run()
    run.stopped_for = cause
    for name, value in facts.items():
        setattr(run, name, value)
    return outcome_of(asyncio.CancelledError(), run)


def test_a_timeout_is_tried_again_and_a_deadline_is_the_end() -> None:
    assert stopped(Cause.TIMEOUT).failure.cause is Cause.TIMEOUT
    outcome = stopped(Cause.TIMEOUT, is_past_deadline=True)
    assert isinstance(outcome, Expired)
    assert outcome.failure is not None
    assert outcome.failure.cause is Cause.TIMEOUT
    assert told(outcome)["cause"] == "timeout"
    assert "while it was running" in told(outcome)["message"]


def test_a_cancellation_tells_who_and_why() -> None:
    record = told(stopped(Cause.CANCELLATION, cancel_note=CancelNote("ann@web-1", "wrong file")))
    assert (record["by"], record["reason"]) == ("ann@web-1", "wrong file")
    assert record["message"] == "cancelled by ann@web-1: wrong file"
    assert told(stopped(Cause.CANCELLATION))["message"] == "cancelled"


@pytest.mark.parametrize("cause", [Cause.INTERRUPTION, Cause.CRASH])
def test_an_interruption_and_a_lost_lease_put_the_job_back(cause: Cause) -> None:
    outcome = stopped(cause)
    assert isinstance(outcome, Released)
    assert outcome.failure is not None
    assert (outcome.failure.cause, outcome.failure.spent, outcome.delay) == (cause, 0, timedelta(0))


def test_only_errors_and_timeouts_spend_an_attempt() -> None:
    assert {cause for cause in Cause if cause.spends_attempt} == {Cause.ERROR, Cause.TIMEOUT}
