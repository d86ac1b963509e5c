"""Children that die, and what can be told of it."""

from __future__ import annotations

from pathlib import Path
from signal import Signals

from monarq.jobs.errors import MonarqError

_VMSTAT = Path("/proc/vmstat")


class ChildDied(MonarqError):
    """The process that ran the job, and nothing besides it, died of it."""

    code = "child_died"

    def __init__(self, exit_code: int, *, was_oom: bool = False) -> None:
        #: What ended it; None if it ended by itself.
        self.signal = _signal(exit_code)
        #: What it ended with; negative for a signal.
        self.exit_code = exit_code
        #: Whether the system ran out of memory meanwhile and killed something.
        self.was_oom = was_oom and self.signal is Signals.SIGKILL
        super().__init__(f"the job's own process {self._how()}")

    def _how(self) -> str:
        if self.was_oom:
            return "was killed by the system, which was out of memory (OOM)"
        if self.signal is not None:
            return f"was killed by {self.signal.name}"
        return f"ended with exit code {self.exit_code}"


def _signal(exit_code: int) -> Signals | None:
    try:
        return Signals(-exit_code) if exit_code < 0 else None
    except ValueError:  # a real-time signal: Python has no name for it
        return None


def oom_kills() -> int:
    """How many processes this machine's kernel has killed for want of memory; 0 where it does not tell."""
    try:
        lines = _VMSTAT.read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
