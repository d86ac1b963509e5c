"""How an attempt ended: from what its handler returned or raised, or why it was stopped, to an outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import structlog
from arq.worker import Retry as ArqRetry
from arq.worker import RetryJob

from monarq.jobs.codec import Codecs
from monarq.jobs.control import Discard, Retry
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import JobCancelled, JobExpired, MonarqError
from monarq.jobs.failure import Cause, Failure, describe
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Succeeded
from monarq.jobs.record import Attempt
from monarq.jobs.state import State

from .run import Run, now_ms
from .runnable import Runnable

log = structlog.get_logger("monarq.worker")


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
        if runnable.keep_ms == 0 or run.codec is None:
            return Succeeded(None)
        return Succeeded(run.codec.success(envelope, self._attempt(run), encoded, value))

    def failure(self, run: Run, runnable: Runnable, error: BaseException) -> Outcome:
        """The handler raised `error`, by itself or because it was told to stop."""
        if run.stopped_for is not None:
            if run.task is not None:
                run.task.uncancel()
            return self._stopped(run, runnable, error, run.stopped_for)
        if isinstance(error, Discard):
            return self.dead(run, error, Cause.ERROR)
        if self._honour_retry and isinstance(error, (Retry, ArqRetry, RetryJob)):
            return self._again(run, runnable, error, Cause.ERROR, _asked_delay(error))
        if isinstance(error, Exception) and self._worth_retrying(runnable, error):
            return self._again(run, runnable, error, Cause.ERROR, None)
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
        return Retrying(runnable.policy.backoff.delay(crashes, self._random), failure)

    def cancelled(self, run: Run) -> Cancelled:
        """Ended on request."""
        told = JobCancelled(run.job_id, "cancelled on request")
        return Cancelled(self._record(run, told, State.CANCELLED))

    def expired(self, run: Run, why: str) -> Expired:
        """Its deadline has passed."""
        return Expired(self._record(run, JobExpired(run.job_id, why), State.EXPIRED))

    # ---

    def _stopped(self, run: Run, runnable: Runnable, error: BaseException, cause: Cause) -> Outcome:
        match cause:
            case Cause.TIMEOUT:
                late = TimeoutError(f"timed out after {runnable.policy.timeout}")
                late.__traceback__ = error.__traceback__
                if self._worth_retrying(runnable, late):
                    return self._again(run, runnable, late, cause, None)
                return self.dead(run, late, cause)
            case Cause.CANCELLATION:
                return self.cancelled(run)
            case _:
                return Released(timedelta(0), self._failure(run, error, cause))

    def _worth_retrying(self, runnable: Runnable, error: Exception) -> bool:
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
            delay = runnable.policy.backoff.delay(run.attempt, self._random)
        return Retrying(delay, self._failure(run, error, cause))

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

    def _record(
        self, run: Run, error: BaseException, state: State, failure: Failure | None = None
    ) -> bytes | None:
        envelope = run.envelope or Envelope("<unreadable>", [], {}, 0)
        codec = run.codec or self._codecs.default
        told = failure or self._failure(run, error, Cause.CANCELLATION)
        return codec.failure(envelope, self._attempt(run), told, state, error)

    def _attempt(self, run: Run) -> Attempt:
        return Attempt(run.claimed.job_id, run.claimed.queue.name, run.attempt, run.started_ms, now_ms())


def _asked_delay(error: BaseException) -> timedelta | None:
    if isinstance(error, Retry):
        return error.defer
    if isinstance(error, ArqRetry):
        return timedelta(milliseconds=error.defer_score or 0)
    return None
