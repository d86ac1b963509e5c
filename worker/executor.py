"""Runs one attempt, as a pipeline of small steps: decode, resolve, guard, bind, call, classify.

No store in sight: an attempt goes in, an outcome comes out, and nothing that a job does escapes as an
exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import structlog
from arq.worker import Retry as ArqRetry
from arq.worker import RetryJob

from monarq.jobs.codec import Codecs
from monarq.jobs.context import JobContext
from monarq.jobs.control import Discard, Retry
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import CorruptRecord, InvalidArguments, JobCancelled, JobExpired, MonarqError
from monarq.jobs.failure import Cause, Failure, describe
from monarq.jobs.log import current_job
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Succeeded
from monarq.jobs.record import Attempt
from monarq.jobs.state import State

from .run import Run, now_ms
from .runnable import Runnable

log = structlog.get_logger("monarq.worker")

#: A job of a kind that this worker does not know goes back for this long: another worker may know it, or a
#: deploy bring it.
UNKNOWN_KIND_DELAY = timedelta(seconds=5)

Hook = Callable[[dict[Any, Any]], Awaitable[Any]]


class Ended(Exception):
    """A step has found how the attempt ends; the steps after it are skipped."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class WorkerCrashed(MonarqError):
    """The job was running each time when a worker died."""

    code = "worker_crashed"


class Executor:
    """Turns attempts into outcomes."""

    def __init__(
        self,
        runnables: Mapping[str, Runnable],
        codecs: Codecs,
        *,
        worker_id: str,
        shared: dict[Any, Any],
        max_crashes: int,
        on_job_start: Hook | None = None,
        on_job_end: Hook | None = None,
        honour_retry: bool = True,
        random: Random | None = None,
    ) -> None:
        self._runnables = runnables
        self._codecs = codecs
        self._worker_id = worker_id
        self._shared = shared
        self._max_crashes = max_crashes
        self._on_job_start = on_job_start
        self._on_job_end = on_job_end
        self._honour_retry = honour_retry
        self._random = random or Random()

    async def attempt(self, run: Run) -> Outcome:
        """Run one attempt.  Never raises: whatever happens is an outcome."""
        try:
            envelope = self._decode(run)
            runnable = self._resolve(run, envelope)
            self._guard(run, envelope, runnable)
            call = self._bind(run, envelope, runnable)
            return await self._call(run, envelope, runnable, call)
        except Ended as ended:
            return ended.outcome
        except BaseException as error:  # a fault of ours must not cost the job either: it ends visibly
            if _is_thrown_away(run):
                raise
            log.exception("worker.internal_error", job_id=run.job_id)
            return self._dead(run, error, Cause.ERROR)

    # --- the steps

    def _decode(self, run: Run) -> Envelope:
        body = run.claimed.body
        try:
            if not body:
                # arq gives a waiting payload a TTL; after it, only the id is left
                raise Ended(
                    Expired(self._failure_record(run, JobExpired(run.job_id, "job expired"), State.EXPIRED))
                )
            run.codec = self._codecs.of(body)
            run.envelope = run.codec.decode(body)
            run.attempt = max(run.attempt, run.envelope.first_attempt or 1)
        except CorruptRecord as error:
            raise Ended(self._dead(run, error, Cause.CORRUPTION)) from None
        return run.envelope

    def _resolve(self, run: Run, envelope: Envelope) -> Runnable:
        run.runnable = self._runnables.get(envelope.kind)
        if run.runnable is None:
            raise Ended(Released(UNKNOWN_KIND_DELAY, None))
        return run.runnable

    def _guard(self, run: Run, envelope: Envelope, runnable: Runnable) -> None:
        claimed = run.claimed
        if claimed.abort_asked:
            raise Ended(Cancelled(self._failure_record(run, _cancelled(run), State.CANCELLED)))
        expires_ms = envelope.expires_ms
        # both by the server's clock: `et` is its own, too
        if expires_ms is not None and claimed.claimed_at_ms > expires_ms:
            late = JobExpired(run.job_id, "its deadline passed before it could start")
            raise Ended(Expired(self._failure_record(run, late, State.EXPIRED)))
        if claimed.crashes >= self._max_crashes:
            died = WorkerCrashed(
                f"{claimed.crashes} workers died, froze or lost their connection while they ran it"
            )
            raise Ended(self._dead(run, died, Cause.CRASH))
        if claimed.spent >= runnable.policy.max_attempts:
            spent = MonarqError(
                f"max_attempts is {runnable.policy.max_attempts}, and {claimed.spent} are spent"
            )
            raise Ended(self._dead(run, spent, Cause.ERROR))

    def _bind(
        self, run: Run, envelope: Envelope, runnable: Runnable
    ) -> Callable[[JobContext], Awaitable[Any]]:
        try:
            return runnable.bind(envelope)
        except InvalidArguments as error:
            raise Ended(self._dead(run, error, Cause.ERROR)) from None

    async def _call(
        self, run: Run, envelope: Envelope, runnable: Runnable, call: Callable[[JobContext], Awaitable[Any]]
    ) -> Outcome:
        ctx = run.ctx = self._context(run, envelope)
        current_job.set(ctx)
        try:
            if self._on_job_start is not None:
                await self._on_job_start(ctx)
            value = await call(ctx)
            outcome = self._success(run, envelope, runnable, value)
        except BaseException as error:
            # SystemExit, GeneratorExit and a bare CancelledError are the job's end, not the worker's
            if _is_thrown_away(run):
                raise
            outcome = self._classify(run, runnable, error)
        if run.timer is not None:
            run.timer.cancel()
        if self._on_job_end is not None:
            await self._after(self._on_job_end, run)
        return outcome

    async def _after(self, hook: Hook, run: Run) -> None:
        try:
            await hook(run.ctx or {})
        except BaseException:  # a hook, or a stop that comes too late, must not change how the job ended
            if _is_thrown_away(run):
                raise
            log.exception("worker.hook_failed", hook=getattr(hook, "__qualname__", repr(hook)))

    # --- outcomes

    def _success(self, run: Run, envelope: Envelope, runnable: Runnable, value: Any) -> Outcome:
        encoded = runnable.encode(value)
        if runnable.keep_ms == 0 or run.codec is None:
            return Succeeded(None)
        return Succeeded(run.codec.success(envelope, self._attempt(run), encoded, value))

    def _classify(self, run: Run, runnable: Runnable, error: BaseException) -> Outcome:
        if run.stopped_for is not None:
            if run.task is not None:
                run.task.uncancel()
            return self._stopped(run, runnable, error, run.stopped_for)
        if isinstance(error, Discard):
            return self._dead(run, error, Cause.ERROR)
        if self._honour_retry and isinstance(error, (Retry, ArqRetry, RetryJob)):
            return self._again(run, runnable, error, Cause.ERROR, _asked_delay(error))
        if isinstance(error, Exception) and self._worth_retrying(runnable, error):
            return self._again(run, runnable, error, Cause.ERROR, None)
        return self._dead(run, error, Cause.ERROR)

    def _stopped(self, run: Run, runnable: Runnable, error: BaseException, cause: Cause) -> Outcome:
        match cause:
            case Cause.TIMEOUT:
                late = TimeoutError(f"timed out after {runnable.policy.timeout}")
                late.__traceback__ = error.__traceback__
                if self._worth_retrying(runnable, late):
                    return self._again(run, runnable, late, cause, None)
                return self._dead(run, late, cause)
            case Cause.CANCELLATION:
                return Cancelled(self._failure_record(run, _cancelled(run), State.CANCELLED))
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
            return self._dead(run, error, cause)
        if delay is None:
            delay = runnable.policy.backoff.delay(run.attempt, self._random)
        return Retrying(delay, self._failure(run, error, cause))

    def _dead(self, run: Run, error: BaseException, cause: Cause) -> Outcome:
        failure = self._failure(run, error, cause)
        return Dead(self._failure_record(run, error, State.DEAD, failure), failure)

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

    def _failure_record(
        self, run: Run, error: BaseException, state: State, failure: Failure | None = None
    ) -> bytes | None:
        envelope = run.envelope or Envelope("<unreadable>", [], {}, 0)
        codec = run.codec or self._codecs.default
        told = failure or self._failure(run, error, Cause.CANCELLATION)
        return codec.failure(envelope, self._attempt(run), told, state, error)

    def _attempt(self, run: Run) -> Attempt:
        return Attempt(run.claimed.job_id, run.claimed.queue.name, run.attempt, run.started_ms, now_ms())

    def _context(self, run: Run, envelope: Envelope) -> JobContext:
        ctx = JobContext(self._shared)
        ctx.job_id = ctx["job_id"] = run.claimed.job_id
        ctx.attempt = ctx["job_try"] = run.attempt
        ctx["enqueue_time"] = datetime.fromtimestamp(envelope.enqueued_ms / 1000, UTC)
        ctx["score"] = run.claimed.visible_at_ms
        ctx.fence = run.claimed.starts
        ctx.kind = envelope.kind
        ctx.queue = run.claimed.queue.name
        return ctx


def _is_thrown_away(run: Run) -> bool:
    """Whether the loop was closed over this attempt: then it is not its own task that runs it."""
    try:
        return run.task is not None and asyncio.current_task() is not run.task
    except RuntimeError:
        return True


def _cancelled(run: Run) -> JobCancelled:
    return JobCancelled(run.job_id, "cancelled on request")


def _asked_delay(error: BaseException) -> timedelta | None:
    if isinstance(error, Retry):
        return error.defer
    if isinstance(error, ArqRetry):
        return timedelta(milliseconds=error.defer_score or 0)
    return None
