"""Exceptions by which a handler steers its own job."""

from __future__ import annotations

from datetime import timedelta


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


class Discard(Exception):
    """Give the job up now: straight to the dead letters, whatever attempts are left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
