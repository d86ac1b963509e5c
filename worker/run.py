"""One attempt while it is under way: what the worker's services know about it in common."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.codec import Codec
from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope
from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Outcome
from monarq.jobs.store.verbs import Claimed

from .runnable import Runnable

if TYPE_CHECKING:
    from .spans import AttemptSpan

#: Seconds past a job's timeout for which its lease is renewed, so that cancellation and clean-up are covered
#: by it.
HARD_DEADLINE_GRACE = 30.0
#: Seconds that a job in a thread or a process gets to stop when it is told to.  Shorter than the last grace
#: of a worker that stops, so that how it ended is still recorded.
STOP_GRACE = 4.0


def now_ms() -> int:
    """The worker's own clock, for records that people read; no decision rests on it."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True, eq=False)
class Run:
    """One attempt of one job in this process.

    The event loop writes it; the heartbeat's thread reads `job_id`, `fence` and `hard_deadline`, and owns
    `leased_until`.
    """

    claimed: Claimed
    fence: str
    #: `time.monotonic()` until which the lease holds, counted from before the claim was sent.
    leased_until: float
    #: `time.monotonic()` after which the lease is not renewed, whatever the handler does; None if it may run
    #: for ever.
    hard_deadline: float | None = None
    started_ms: int = field(default_factory=now_ms)
    #: 0 while it runs, if its handler was given up, and perhaps where nobody wants to know.
    ended_ms: int = 0
    #: 1 for the first try; interruptions and crashes do not count.
    attempt: int = field(init=False)
    envelope: Envelope | None = None
    codec: Codec | None = None
    runnable: Runnable | None = None
    ctx: JobContext | None = None
    task: asyncio.Task[None] | None = None
    #: Ends the attempt at its timeout; None if the handler was done before one was needed.
    timer: asyncio.TimerHandle | None = None
    #: The job waits for a thread or a process: its time starts when it has one.
    clock_is_held: bool = False
    #: Why the handler was told to stop, and the `time.monotonic()` of it; None if nobody did.
    stopped_for: Cause | None = None
    stopped_at: float = 0.0
    #: What stopped it was the job's own deadline.
    is_past_deadline: bool = False
    #: Who asked for the job's cancellation, and why; None if nobody did.
    cancel_note: CancelNote | None = None
    #: PostgreSQL is the truth of this job.
    is_durable: bool = False
    #: How a durable job's attempt ends, whatever its handler does: PostgreSQL has recorded it, or has told.
    verdict: Outcome | None = None
    #: Its outcome is recorded without waiting for its handler any longer.
    is_abandoned: bool = False
    #: None if it is not traced, or has not begun.
    span: AttemptSpan | None = None

    def __post_init__(self) -> None:
        self.attempt = self.claimed.spent + 1

    @property
    def job_id(self) -> str:
        return self.claimed.job_id

    @property
    def worker(self) -> str:
        """Whose attempt it is."""
        return self.fence.rpartition(":")[0]

    @property
    def kind(self) -> str | None:
        """None until its envelope has been read."""
        return None if self.envelope is None else self.envelope.kind

    def server_now_ms(self) -> int:
        """The server's clock, without asking it: its time of the claim, and how long that is ago."""
        return self.claimed.claimed_at_ms + now_ms() - self.started_ms

    def arm(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the clock for the job's timeout, unless it is held."""
        if not self.clock_is_held:
            self.start_clock(loop)

    def hold_clock(self) -> None:
        """Let no time count until `start_clock`."""
        self.clock_is_held = True
        self.stop_clock()

    def stop_clock(self) -> None:
        """The job has ended, or waits: it has no timeout now."""
        if self.timer is not None:
            self.timer.cancel()

    def start_clock(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the clock for the job's timeout, from now, or for its own deadline if that comes first."""
        if self.runnable is None or self.task is None or self.task.done():
            return
        seconds, end = self.runnable.timeout_seconds, self._time_out
        left = self._seconds_to_deadline()
        if left is not None and (seconds is None or left < seconds):
            seconds, end = left, self._expire
        if seconds is not None:
            self.hard_deadline = time.monotonic() + seconds + HARD_DEADLINE_GRACE
            self.timer = loop.call_later(seconds, end)

    def stop(self, cause: Cause) -> None:
        """Cancel the handler, once; the first cause is the one that counts."""
        if self.stopped_for is None and self.task is not None and not self.task.done():
            self.stopped_for, self.stopped_at = cause, time.monotonic()
            self.task.cancel()

    def cancel(self, note: CancelNote) -> None:
        """Cancel the handler because somebody wants the job to end."""
        self.cancel_note = note
        self.stop(Cause.CANCELLATION)

    def _time_out(self) -> None:
        self.stop(Cause.TIMEOUT)

    def _expire(self) -> None:
        self.is_past_deadline = self.stopped_for is None
        self.stop(Cause.TIMEOUT)

    def _seconds_to_deadline(self) -> float | None:
        expires_ms = self.envelope.expires_ms if self.envelope is not None else None
        return None if expires_ms is None else max(0.0, (expires_ms - self.server_now_ms()) / 1000)


def arm_all(runs: list[Run], loop: asyncio.AbstractEventLoop) -> None:
    """Start the clocks of all of these that still run."""
    for run in runs:
        run.arm(loop)
