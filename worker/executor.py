"""Runs one attempt, as a pipeline of small steps: decode, resolve, guard, bind, call, classify.

No store in sight: an attempt goes in, an outcome comes out, and nothing that a job does escapes as an
exception.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import structlog

from monarq.jobs.cancel_note import decode_note
from monarq.jobs.codec import Codecs
from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import CorruptRecord, InvalidArguments, MonarqError
from monarq.jobs.failure import Cause
from monarq.jobs.handler import RunIn
from monarq.jobs.log import current_job
from monarq.jobs.outcome import Outcome, Released

from .children import Children
from .classification import Classifier, JobCrashed
from .durability import AttemptOver
from .fresh_ends import PutBack
from .room import NO_ROOM_DELAY
from .run import Run
from .runnable import Call, Runnable
from .suspects import Suspects, attempt_in_child, is_suspect
from .threads import Threads

if TYPE_CHECKING:
    from .once import Effects
    from .spans import Spans

log = structlog.get_logger("monarq.worker")

#: Lost workers with the same job on board, never seen to survive alone, after which it is given up: so that
#: nothing runs for ever, not even where no child can run it.
MAX_LAPSES = 20
#: A job of a kind that this worker does not know goes back for this long: another worker may know it, or a
#: deploy bring it.
UNKNOWN_KIND_DELAY = timedelta(seconds=5)

Hook = Callable[[dict[Any, Any]], Awaitable[Any]]


class Ended(Exception):
    """A step has found how the attempt ends; the steps after it are skipped."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome


class HandlerStuck(MonarqError):
    """The handler was told to stop, and went on."""

    code = "handler_stuck"


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
        threads: Threads,
        children: Children | None = None,
        effects: Effects | None = None,
        on_job_start: Hook | None = None,
        on_job_end: Hook | None = None,
        honour_retry: bool = True,
        random: Random | None = None,
    ) -> None:
        self._runnables = runnables
        self._codecs = codecs
        self._shared = shared
        self._on_job_start = on_job_start
        self._on_job_end = on_job_end
        self._classifier = Classifier(
            codecs, worker_id=worker_id, max_crashes=max_crashes, honour_retry=honour_retry, random=random
        )
        self._threads = threads
        self._children = children
        self._effects = effects
        self._suspects = None if children is None else Suspects(children, self._classifier)
        #: Set once the app has had its say: None if nothing is traced.
        self.spans: Spans | None = None
        #: Jobs that had to go back: they are due again and again, and no age of a ready job shows it.
        self.put_back: Counter[tuple[str, PutBack]] = Counter()

    async def attempt(self, run: Run) -> Outcome:
        """Run one attempt.  Never raises: whatever happens is an outcome."""
        try:
            envelope = self._decode(run)
            if run.claimed.abort_asked:  # before anything else: also a job whose kind nobody knows
                return self._classifier.cancelled(run, decode_note(run.claimed.cancel_note))
            runnable = self._resolve(run, envelope)
            self._guard(run, envelope, runnable)
            if self.spans is not None:
                self.spans.open(run, envelope)
            if (
                is_suspect(run.claimed)
                and (outcome := await self._isolate(run, envelope, runnable)) is not None
            ):
                return outcome
            if runnable.run_in is not RunIn.LOOP:
                return await self._elsewhere(run, envelope, runnable)
            call = self._bind(run, envelope, runnable)
            return await self._call(run, envelope, runnable, call)
        except Ended as ended:
            return ended.outcome
        except BaseException as error:  # a fault of ours must not cost the job either: it ends visibly
            if _is_thrown_away(run):
                raise
            log.exception("worker.internal_error", job_id=run.job_id)
            return self._classifier.dead(run, error, Cause.ERROR)

    def abandon(self, run: Run) -> Outcome | None:
        """How an attempt ends whose handler was told to stop and does not; None if it has not begun."""
        if run.verdict is not None:
            return run.verdict
        if run.runnable is None or run.stopped_for is None:
            return None
        return self._classifier.failure(run, run.runnable, HandlerStuck("the handler does not stop"))

    def acquaint(self, run: Run) -> None:
        """Find out what job it is, for an end that comes without an attempt."""
        with suppress(Ended):
            self._resolve(run, self._decode(run))

    def bury(self, run: Run, error: Exception) -> Outcome:
        """The outcome of an attempt that cannot even begin."""
        self.acquaint(run)
        return self._classifier.dead(run, error, Cause.CORRUPTION)

    # --- the steps

    def _decode(self, run: Run) -> Envelope:
        body, fault = run.claimed.body, run.claimed.fault
        unusable = "" if fault is None else f"{fault} cannot be used: something else lies there"
        try:
            if not body:
                # arq gives a waiting payload a TTL; after it, only the id is left
                raise CorruptRecord(unusable or "the envelope is gone: it was deleted, or had a time to live")
            run.codec = self._codecs.of(body)
            run.envelope = run.codec.decode(body)
            run.attempt = max(run.attempt, run.envelope.first_attempt or 1)
            if unusable:
                raise CorruptRecord(unusable)
        except CorruptRecord as error:
            raise Ended(self._classifier.dead(run, error, Cause.CORRUPTION)) from None
        return run.envelope

    def _resolve(self, run: Run, envelope: Envelope) -> Runnable:
        run.runnable = self._runnables.get(envelope.kind)
        if run.runnable is None:
            self.put_back[run.claimed.queue.name, PutBack.UNKNOWN_KIND] += 1
            raise Ended(Released(UNKNOWN_KIND_DELAY, None))
        return run.runnable

    def _guard(self, run: Run, envelope: Envelope, runnable: Runnable) -> None:
        claimed = run.claimed
        expires_ms = envelope.expires_ms
        # both by the server's clock: `et` is its own, too
        if expires_ms is not None and claimed.claimed_at_ms > expires_ms:
            raise Ended(self._classifier.expired(run, f"its deadline passed before attempt {run.attempt}"))
        if claimed.lapses >= MAX_LAPSES:
            lost = JobCrashed(f"{claimed.lapses} workers were lost while they ran it")
            raise Ended(self._classifier.dead(run, lost, Cause.CRASH))
        if claimed.spent >= runnable.policy.max_attempts:
            spent = MonarqError(
                f"max_attempts is {runnable.policy.max_attempts}, and {claimed.spent} are spent"
            )
            raise Ended(self._classifier.dead(run, spent, Cause.ERROR))

    async def _isolate(self, run: Run, envelope: Envelope, runnable: Runnable) -> Outcome | None:
        if self._suspects is None:  # a child has no children: there the job is alone already
            return None
        run.ctx = self._context(run, envelope)  # for `after_job_end`; a child makes its own
        return await self._suspects.attempt(run, runnable)

    async def _elsewhere(self, run: Run, envelope: Envelope, runnable: Runnable) -> Outcome:
        if runnable.run_in is RunIn.PROCESS and self._children is not None:
            run.ctx = self._context(run, envelope)  # for `after_job_end`, as above
            return await attempt_in_child(self._children, self._classifier, run, runnable, alone=False)
        run.hold_clock()
        try:
            seat = await self._threads.seat()
        except asyncio.CancelledError as stop:
            if run.stopped_for is None:
                raise
            return self._classifier.failure(run, runnable, stop)
        if seat is None:
            return Released(NO_ROOM_DELAY, None)
        try:
            call = seat.calling(self._bind(run, envelope, runnable))
            run.start_clock(asyncio.get_running_loop())
            return await self._call(run, envelope, runnable, call)
        finally:
            seat.leave()

    def _bind(self, run: Run, envelope: Envelope, runnable: Runnable) -> Call:
        try:
            return runnable.bind(envelope)
        except InvalidArguments as error:
            raise Ended(self._classifier.dead(run, error, Cause.ERROR)) from None

    async def _call(self, run: Run, envelope: Envelope, runnable: Runnable, call: Call) -> Outcome:
        ctx = run.ctx = self._context(run, envelope)
        current_job.set(ctx)
        try:
            if self._on_job_start is not None:
                await self._on_job_start(ctx)
            value = await call(ctx)
            outcome = run.verdict or self._classifier.success(run, envelope, runnable, value)
        except BaseException as error:
            # SystemExit, GeneratorExit and a bare CancelledError are the job's end, not the worker's
            if _is_thrown_away(run):
                raise
            if run.stopped_for is not None and run.task is not None:
                run.task.uncancel()
            outcome = self._verdict(run, error) or self._classifier.failure(run, runnable, error)
        if run.timer is not None:
            run.timer.cancel()
        if self._on_job_end is not None:
            await self._after(self._on_job_end, run)
        return outcome

    @staticmethod
    def _verdict(run: Run, error: BaseException) -> Outcome | None:
        if run.verdict is not None and not isinstance(error, (AttemptOver, asyncio.CancelledError)):
            log.warning("job.failed_after_its_end", job_id=run.job_id, exc_info=error)
        return run.verdict

    async def _after(self, hook: Hook, run: Run) -> None:
        try:
            await hook(run.ctx or {})
        except BaseException:  # a hook, or a stop that comes too late, must not change how the job ended
            if _is_thrown_away(run):
                raise
            log.exception("worker.hook_failed", hook=getattr(hook, "__qualname__", repr(hook)))

    def _context(self, run: Run, envelope: Envelope) -> JobContext:
        ctx = JobContext(self._shared)
        ctx.job_id = ctx["job_id"] = run.claimed.job_id
        ctx.attempt = ctx["job_try"] = run.attempt
        ctx["enqueue_time"] = datetime.fromtimestamp(envelope.enqueued_ms / 1000, UTC)
        ctx["score"] = run.claimed.visible_at_ms
        ctx.fence = run.claimed.starts
        ctx.kind = envelope.kind
        ctx.queue = run.claimed.queue.name
        if run.is_durable and self._effects is not None and run.runnable is not None:
            ctx.effects = self._effects.of(
                run, partial(self._classifier.success, run, envelope, run.runnable)
            )
        return ctx


def _is_thrown_away(run: Run) -> bool:
    """Whether the loop was closed over this attempt: then it is not its own task that runs it."""
    try:
        return run.task is not None and asyncio.current_task() is not run.task
    except RuntimeError:
        return True
