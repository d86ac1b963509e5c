"""One attempt while it is under way: what the worker's services know about it in common."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from monarq.jobs.codec import Codec
from monarq.jobs.context import JobContext
from monarq.jobs.envelope import Envelope
from monarq.jobs.failure import Cause
from monarq.jobs.store.verbs import Claimed

from .runnable import Runnable

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
    #: Why the handler was told to stop; None if nobody did.
    stopped_for: Cause | None = None

    def __post_init__(self) -> None:
        self.attempt = self.claimed.spent + 1

    @property
    def job_id(self) -> str:
        return self.claimed.job_id

    @property
    def kind(self) -> str | None:
        """None until its envelope has been read."""
        return None if self.envelope is None else self.envelope.kind

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
        """Start the clock for the job's timeout, from now."""
        timeout = self.runnable.timeout_seconds if self.runnable is not None else None
        if timeout is not None and self.task is not None and not self.task.done():
            self.hard_deadline = time.monotonic() + timeout + HARD_DEADLINE_GRACE
            self.timer = loop.call_later(timeout, self.stop, Cause.TIMEOUT)

    def stop(self, cause: Cause) -> None:
        """Cancel the handler, once; the first cause is the one that counts."""
        if self.stopped_for is None and self.task is not None and not self.task.done():
            self.stopped_for = cause
            self.task.cancel()
