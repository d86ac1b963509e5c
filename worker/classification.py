"""How an attempt ended: from what its handler returned or raised, or why it was stopped, to an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import structlog
from arq.worker import Retry as ArqRetry
from arq.worker import RetryJob

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.codec import Codecs
from monarq.jobs.control import Cancel, Discard, Retry, Snooze
from monarq.jobs.envelope import Envelope, came_by_outbox
from monarq.jobs.errors import JobCancelled, JobExpired, MonarqError
from monarq.jobs.failure import Cause, Failure, describe
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Snoozed, Succeeded
from monarq.jobs.record import Attempt
from monarq.jobs.retry import exponential
from monarq.jobs.state import State

from .run import Run, now_ms
from .runnable import Runnable

log = structlog.get_logger("monarq.worker")

#: The longest wait that an error can ask for by its `retry_after`.
LONGEST_RETRY_AFTER = timedelta(hours=24)
#: Who cancelled the job, where the handler did it itself.
BY_HANDLER = "handler"


class JobCrashed(MonarqError):
    """The job was the end of its own process, or was on board of too many workers that were lost."""

    code = "job_crashed"


class Classifier:
    """Finds the outcome of an attempt."""

    def __init__(
        self,
        codecs: Codecs,
        *,
        worker_id: str,
        max_crashes: int,
        honour_retry: bool = True,
        random: Random | None = None,
    ) -> None:
        self._codecs = codecs
        self._worker_id = worker_id
        self._max_crashes = max_crashes
        self._honour_retry = honour_retry
        self._random = random or Random()

    def success(self, run: Run, envelope: Envelope, runnable: Runnable, value: Any) -> Outcome:
        """The handler returned `value`; raises whatever keeps it from being recorded."""
        encoded = runnable.encode(value)
        # the end of a job that a relay may bring again is remembered in any case
        is_forgotten = runnable.keep_ms == 0 and not came_by_outbox(run.claimed.body or b"")
        if is_forgotten or run.codec is None:
            return Succeeded(None)
        attempt = self._attempt(run)
        run.ended_ms = attempt.ended_ms
        return Succeeded(run.codec.success(envelope, attempt, encoded, value))

    def failure(self, run: Run, runnable: Runnable, error: BaseException) -> Outcome:
        """The handler raised `error`, by itself or because it was told to stop; or it would not stop."""
        if run.stopped_for is not None:
            return self._stopped(run, runnable, error, run.stopped_for)
        match sole_error(error):
            case Discard():
                return self.dead(run, error, Cause.ERROR)
            case Cancel(reason=reason):
                return self.cancelled(run, CancelNote.of(BY_HANDLER, reason), error)
            case Snooze() as snooze:
                return Snoozed(_snooze_delay(run, snooze))
            case Retry() | ArqRetry() | RetryJob() as wish if self._honour_retry:
                return self._again(run, runnable, error, Cause.ERROR, _asked_delay(wish))
            case meant if self._worth_retrying(runnable, meant):
                return self._again(run, runnable, error, Cause.ERROR, retry_after(meant, _now()))
        return self.dead(run, error, Cause.ERROR)

    def dead(self, run: Run, error: BaseException, cause: Cause) -> Dead:
        """To the dead letters, whatever attempts are left."""
        failure = self._failure(run, error, cause)
        return Dead(self._record(run, error, State.DEAD, failure), failure)

    def crashed(self, run: Run, runnable: Runnable, death: BaseException) -> Outcome:
        """The job ran alone in its process, and that process died: by signal, exit code or lack of memory."""
        crashes = run.claimed.crashes + 1
        error = JobCrashed(str(death))
        failure = replace(self._failure(run, error, Cause.CRASH), crashes=crashes)
        if crashes >= self._max_crashes:
            return Dead(self._record(run, error, State.DEAD, failure), failure)
        return Retrying(self._backoff(runnable, crashes), failure)

    def cancelled(self, run: Run, note: CancelNote, stopped: BaseException | None = None) -> Cancelled:
        """Ended on request; `stopped` is what the handler raised, None if it had not begun."""
        run.cancel_note = note
        told = JobCancelled(run.job_id, str(note), note.by, note.reason)
        failure = self._failure(run, _with_frames_of(stopped, told), Cause.CANCELLATION)
        return Cancelled(self._record(run, told, State.CANCELLED, failure), failure if stopped else None)

    def expired(self, run: Run, why: str, stopped: BaseException | None = None) -> Expired:
        """Its deadline has passed; `stopped` as above."""
        told = JobExpired(run.job_id, why)
        failure = self._failure(run, _with_frames_of(stopped, told), Cause.TIMEOUT)
        return Expired(self._record(run, told, State.EXPIRED, failure), failure if stopped else None)

    def interrupted(self, run: Run, error: BaseException, cause: Cause = Cause.INTERRUPTION) -> Released:
        """Back to the queue unharmed: the worker was told to stop, or has lost the lease."""
        return Released(timedelta(0), self._failure(run, error, cause))

    # ---

    def _stopped(self, run: Run, runnable: Runnable, error: BaseException, cause: Cause) -> Outcome:
        match cause:
            case Cause.TIMEOUT if run.is_past_deadline:
                return self.expired(run, "its deadline passed while it was running", error)
            case Cause.TIMEOUT:
                late = TimeoutError(f"timed out after {runnable.policy.timeout}")
                _with_frames_of(error, late)
                if self._worth_retrying(runnable, late):
                    return self._again(run, runnable, late, cause, None)
                return self.dead(run, late, cause)
            case Cause.CANCELLATION:
                return self.cancelled(run, run.cancel_note or CancelNote(), error)
            case _:
                return self.interrupted(run, error, cause)

    def _worth_retrying(self, runnable: Runnable, error: BaseException) -> bool:
        try:
            return runnable.policy.retries(error)
        except Exception:  # an app's predicate may be broken; keep the job
            log.exception("worker.retry_predicate_failed", kind=runnable.kind)
            return True

    def _again(
        self, run: Run, runnable: Runnable, error: BaseException, cause: Cause, delay: timedelta | None
    ) -> Outcome:
        if run.attempt >= runnable.policy.max_attempts:
            return self.dead(run, error, cause)
        if delay is None:
            delay = self._backoff(runnable, run.attempt)
        return Retrying(delay, self._failure(run, error, cause))

    def _backoff(self, runnable: Runnable, failures: int) -> timedelta:
        try:
            return runnable.policy.backoff.delay(failures, self._random)
        except Exception:  # an app's function may be broken; keep the job, and do not hammer
            log.exception("worker.backoff_failed", kind=runnable.kind)
            return exponential().delay(failures, self._random)

    def _failure(self, run: Run, error: BaseException, cause: Cause) -> Failure:
        return Failure(
            spent=run.attempt if cause.spends_attempt else run.claimed.spent,
            crashes=run.claimed.crashes,
            lapses=run.claimed.lapses,
            cause=cause,
            fence=run.claimed.starts,
            worker=self._worker_id,
            started_ms=run.started_ms,
            ended_ms=now_ms(),
            **describe(error),
        )

    def _record(self, run: Run, error: BaseException, state: State, failure: Failure) -> bytes | None:
        envelope = run.envelope or Envelope("<unreadable>", [], {}, 0)
        codec = run.codec or self._codecs.default
        return codec.failure(envelope, self._attempt(run), failure, state, error)

    def _attempt(self, run: Run) -> Attempt:
        return Attempt(run.claimed.job_id, run.claimed.queue.name, run.attempt, run.started_ms, now_ms())


def sole_error(error: BaseException) -> BaseException:
    """The one error that a group holds (that of a `TaskGroup` with one that failed), else `error` itself."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def retry_after(error: BaseException, now: datetime) -> timedelta | None:
    """The wait that an error asks for by an attribute `retry_after`; None if it asks for none."""
    try:
        match getattr(error, "retry_after", None):
            case timedelta() as wait:
                pass
            case datetime(tzinfo=zone) as moment if zone is not None:
                wait = moment - now
            case (int() | float()) as seconds if not isinstance(seconds, bool):
                wait = timedelta(seconds=min(seconds, LONGEST_RETRY_AFTER.total_seconds()))
            case _:
                return None
    except Exception:  # an attribute may be a property that raises, or no number after all
        return None
    return min(max(wait, timedelta(0)), LONGEST_RETRY_AFTER)


def _snooze_delay(run: Run, snooze: Snooze) -> timedelta:
    if snooze.delay is not None or snooze.until is None:
        return snooze.delay or timedelta(0)
    return max(snooze.until - datetime.fromtimestamp(run.server_now_ms() / 1000, UTC), timedelta(0))


def _with_frames_of(stopped: BaseException | None, told: Exception) -> Exception:
    if stopped is not None:
        told.__traceback__ = stopped.__traceback__
    return told


def _now() -> datetime:
    return datetime.now(UTC)


def _asked_delay(error: BaseException) -> timedelta | None:
    if isinstance(error, Retry):
        return error.defer
    if isinstance(error, ArqRetry):
        return timedelta(milliseconds=error.defer_score or 0)
    return None
