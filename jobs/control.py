"""Exceptions by which a handler steers its own job."""

from __future__ import annotations

from datetime import datetime, timedelta


class Retry(RuntimeError):
    """Run the job again, after `defer` or after the job's backoff.  Spends an attempt, like any failure.

    Args:
        defer: Seconds or a timedelta.  None leaves it to the job's backoff policy.
        reason: What went wrong; kept with the job.
    """

    def __init__(self, defer: float | timedelta | None = None, reason: str = "") -> None:
        self.defer = timedelta(seconds=defer) if isinstance(defer, (int, float)) else defer
        when = "retry" if self.defer is None else f"retry in {self.defer.total_seconds():g} s"
        super().__init__(f"{when}: {reason}" if reason else when)


class Snooze(Exception):
    """Not now: run the job again after `delay`, or at `until`.  Spends no attempt and leaves no failure.

    Args:
        delay: Seconds or a timedelta, 0 or more.
        until: An aware point in time, instead of `delay`; one in the past means at once.

    Raises:
        ValueError: Both are given, or neither, or one that cannot be meant.
    """

    def __init__(self, delay: float | timedelta | None = None, *, until: datetime | None = None) -> None:
        if (delay is None) == (until is None):
            raise ValueError("Snooze: give either delay or until")
        if until is not None and until.tzinfo is None:
            raise ValueError(f"Snooze: until: {until!r} has no time zone; use datetime.now(timezone.utc)")
        self.delay = delay if isinstance(delay, timedelta) or delay is None else timedelta(seconds=delay)
        if self.delay is not None and self.delay < timedelta(0):
            raise ValueError(f"Snooze: delay: {self.delay} is negative")
        self.until = until
        super().__init__(f"until {until.isoformat()}" if until else f"for {self.delay}")


class Discard(Exception):
    """Give the job up now: straight to the dead letters, whatever attempts are left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Cancel(Exception):
    """There is nothing to do any more: end the job as cancelled.  It is neither retried nor a dead letter."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
