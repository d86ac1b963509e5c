"""From samples, one a minute, to numbers per step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.series import MINUTE_MS, Sample
from monarq.jobs.store.tally import Tally

from .series import Tallies
from .windows import MINUTE, Window

#: What ended while so many samples are missing is taken to have ended evenly; while more are, nobody knows.
_LONGEST_GAP = 5
_ENDS = ("succeeded", "dead", "cancelled", "expired")

Samples = Mapping[int, Sample]


def tallies_of(queues: Iterable[Samples], window: Window) -> Tallies:
    """What ended in some queues."""
    ended: dict[datetime, Counter[str]] = {}
    minutes: set[datetime] = set()
    for samples in queues:
        for minute, counts in _per_minute(samples):
            minutes.add(minute)
            ended.setdefault(window.start_of(minute), Counter()).update(counts)
    known = Counter(window.start_of(minute) for minute in minutes)
    return Tallies(
        {start: _tally(counts) for start, counts in ended.items()},
        {start: number * MINUTE for start, number in known.items()},
    )


def oldest_ages(queues: Iterable[Samples], window: Window) -> list[float | None]:
    """For how long the oldest ready job had been due, at most, per step, in seconds."""
    oldest: dict[datetime, float] = {}
    for samples in queues:
        for minute, sample in samples.items():
            start = window.start_of(moment_of(minute))
            oldest[start] = max(oldest.get(start, 0.0), sample.oldest_ms / 1000)
    return [oldest.get(start) for start in window.starts]


def known_until(queues: Iterable[Samples]) -> datetime | None:
    """When the newest sample was taken."""
    newest = max((minute for samples in queues for minute in samples), default=None)
    return None if newest is None else moment_of(newest)


def per_step(samples: Samples, window: Window) -> list[float | None]:
    """Jobs that ended per minute, for a line of a list."""
    found = tallies_of([samples], window)
    return [
        found.by_start[start].ended / (found.known[start] / MINUTE) if start in found.known else None
        for start in window.starts
    ]


def _tally(counts: Mapping[str, int]) -> Tally:
    succeeded, dead, cancelled, expired = (counts[name] for name in _ENDS)
    return Tally(succeeded=succeeded, dead=dead, cancelled=cancelled, expired=expired)


def _per_minute(samples: Samples) -> Iterator[tuple[datetime, dict[str, int]]]:
    """What ended in each minute between two samples."""
    for (before, first), (after, second) in pairwise(samples.items()):
        gap = (after - before) // MINUTE_MS
        if 0 < gap <= _LONGEST_GAP:
            more = {name: _more(getattr(first, name), getattr(second, name)) for name in _ENDS}
            for at in range(gap):
                share = {name: n * (at + 1) // gap - n * at // gap for name, n in more.items()}
                yield moment_of(before) + at * timedelta(minutes=1), share


def _more(before: int, after: int) -> int:
    # a counter that has become less has begun anew, with a new server
    return after - before if after >= before else after
