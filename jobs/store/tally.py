"""Jobs that have ended, in numbers: of a queue or a kind, in some time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from ..histogram import BUCKETS, quantile

_NONE = (0,) * BUCKETS


@dataclass(frozen=True, slots=True)
class Times:
    """Percentiles, in seconds; None if nothing took any time."""

    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, counts: Sequence[int]) -> Times:
        """From counts of jobs/histogram.py."""
        return cls(*(None if (ms := quantile(counts, at)) is None else ms / 1000 for at in (0.5, 0.95, 0.99)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """So many jobs ended, so often they were tried, so long it took."""

    succeeded: int = 0
    dead: int = 0
    cancelled: int = 0
    expired: int = 0
    #: Succeeded, but not at the first attempt.
    recovered: int = 0
    attempts: int = 0
    starts: int = 0
    run_ms: int = 0
    wait_ms: int = 0
    #: As jobs/histogram.py counts them: of the last attempt of each job that had one.
    run_counts: Sequence[int] = _NONE
    wait_counts: Sequence[int] = _NONE

    @property
    def ended(self) -> int:
        """All jobs."""
        return self.succeeded + self.dead + self.cancelled + self.expired

    @property
    def judged(self) -> int:
        """Those whose handler had its say: it succeeded, or its attempts were spent."""
        return self.succeeded + self.dead

    @property
    def failure_rate(self) -> float | None:
        """The share of those that died; None if there were none."""
        return self.dead / self.judged if self.judged else None

    @property
    def recovery_rate(self) -> float | None:
        """The share of those that succeeded which needed more than one attempt: how flaky it is."""
        return self.recovered / self.succeeded if self.succeeded else None

    @property
    def run(self) -> Times:
        """How long the last attempts took."""
        return Times.of(self.run_counts)

    @property
    def wait(self) -> Times:
        """For how long jobs had been due before."""
        return Times.of(self.wait_counts)


def surely(part: int, whole: int) -> float:
    """The share that is at least so, by what was seen of it (the lower end of Wilson's interval at 95 %).

    It puts 50 of 100 before 1 of 1, of which nobody knows.
    """
    if not whole:
        return 0.0
    z, share = 1.96, part / whole
    middle = share + z * z / (2 * whole)
    spread = z * sqrt((share * (1 - share) + z * z / (4 * whole)) / whole)
    return max(0.0, (middle - spread) / (1 + z * z / whole))
