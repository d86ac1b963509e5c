"""Run and wait times, counted by how long they were.

All of Monarq counts in the same buckets, so that counts of different places and times can be added up.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import NamedTuple

#: The upper end of each bucket, ms; what takes longer than the last of them is in one more.
BOUNDS_MS = (
    5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    1_800_000, 3_600_000,
)  # fmt: skip
BUCKETS = len(BOUNDS_MS) + 1


class Exemplar(NamedTuple):
    """One of the times that were counted, and the trace that tells what took so long."""

    trace_id: str
    #: ms.
    value: float
    #: When it was, ms since the epoch.
    at_ms: int


class Distribution:
    """How many values lay between which bounds, and their sum."""

    __slots__ = ("bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: tuple[int, ...] = BOUNDS_MS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0
        #: By the bucket's number, the last that was marked.
        self.exemplars: dict[int, Exemplar] = {}

    def mark(self, exemplar: Exemplar) -> None:
        """Remember one of the values as an example of those in its bucket."""
        self.exemplars[bisect_left(self.bounds, exemplar.value)] = exemplar

    def add(self, values: list[float], weight: float = 1) -> None:
        """Count the values; the list is sorted by it.

        Args:
            weight: For how many values each of them stands; all together for a whole number of them.
        """
        values.sort()
        self.total += sum(values) * weight
        below, count = 0, round(len(values) * weight)
        for at, bound in enumerate(self.bounds):
            upto = round(bisect_right(values, bound) * weight)
            self.counts[at] += upto - below
            below = upto
            if upto == count:
                return
        self.counts[-1] += count - below


def quantile(counts: Sequence[int], share: float) -> float | None:
    """The time in ms that this share of all stayed below; None if there were none.

    Within a bucket times are taken to lie evenly, so the answer may be off by the width of its bucket.  Of
    those that took longer than the last bound nothing else is known: they are told as that bound.
    """
    total = sum(counts)
    if total == 0:
        return None
    wanted, below = share * total, 0
    for at, (count, bound) in enumerate(zip(counts, BOUNDS_MS, strict=False)):
        if count and below + count >= wanted:
            lower = BOUNDS_MS[at - 1] if at else 0
            return lower + (bound - lower) * (wanted - below) / count
        below += count
    return float(BOUNDS_MS[-1])


def share_within(counts: Sequence[int], limit_ms: float) -> float | None:
    """Which share took no longer than this; None if there were none.  Evenly within a bucket, as above."""
    total = sum(counts)
    if total == 0:
        return None
    within, lower = 0.0, 0
    for count, bound in zip(counts, BOUNDS_MS, strict=False):
        if limit_ms < bound:
            return (within + count * max(0.0, limit_ms - lower) / (bound - lower)) / total
        within, lower = within + count, bound
    return within / total
