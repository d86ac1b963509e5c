"""Numbers over time, as charts show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monarq.jobs.store.tally import Tally, Times

from .windows import Window

#: Of a step that has only begun nothing is told before this share of it is over.
_TOO_NEW = 0.1

Values = Mapping[str, float | None]


class Metric(StrEnum):
    """What is told."""

    THROUGHPUT = "throughput"  #: jobs that ended, per minute, by how they ended
    FAILURE_RATE = "failure_rate"  #: the share that died of those that succeeded or died
    RUN = "run"  #: how long the last attempts took
    WAIT = "wait"  #: how long jobs had been due before their last attempt began
    OLDEST_AGE = "oldest_age"  #: for how long the oldest ready job had been due

    @property
    def unit(self) -> str:
        """What its numbers are."""
        return {Metric.THROUGHPUT: "jobs per minute", Metric.FAILURE_RATE: "share"}.get(self, "seconds")


class Source(StrEnum):
    """Where it is from."""

    HISTORY = "history"  #: the roll-ups in PostgreSQL
    SAMPLES = "samples"  #: the samples in Redis, one a minute


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric in a window.  None: nobody knows, or there was nothing to measure."""

    metric: Metric
    window: Window
    source: Source
    values: Mapping[str, Sequence[float | None]]
    #: Until then all is told; a step that ends later is not whole yet.
    known_until: datetime | None
    #: The store is away; this is what it said before.
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Tallies:
    """What ended per step, and of which part of each step that is known."""

    by_start: Mapping[datetime, Tally]
    known: Mapping[datetime, timedelta]


def known_parts(window: Window, until: datetime | None) -> dict[datetime, timedelta]:
    """How much of each step lies before a moment."""
    if until is None:
        return {}
    return {start: min(window.step, until - start) for start in window.starts if start < until}


def values_of(metric: Metric, window: Window, tallies: Tallies) -> dict[str, list[float | None]]:
    """The numbers of a metric, step by step."""
    tell = _TELL[metric]
    told: dict[str, list[float | None]] = {name: [] for name in tell(Tally(), timedelta(minutes=1))}
    for start in window.starts:
        part = tallies.known.get(start, timedelta(0))
        is_known = part >= _TOO_NEW * window.step
        values = tell(tallies.by_start.get(start, Tally()), part) if is_known else dict.fromkeys(told)
        for name, value in values.items():
            told[name].append(value)
    return told


def _throughput(tally: Tally, part: timedelta) -> Values:
    minutes = part / timedelta(minutes=1)
    return {
        "succeeded": tally.succeeded / minutes,
        "dead": tally.dead / minutes,
        "cancelled": tally.cancelled / minutes,
        "expired": tally.expired / minutes,
    }


def _values(times: Times) -> Values:
    return {"p50": times.p50, "p95": times.p95, "p99": times.p99}


_TELL: Mapping[Metric, Callable[[Tally, timedelta], Values]] = {
    Metric.THROUGHPUT: _throughput,
    Metric.FAILURE_RATE: lambda tally, _: {"failure_rate": tally.failure_rate},
    Metric.RUN: lambda tally, _: _values(tally.run),
    Metric.WAIT: lambda tally, _: _values(tally.wait),
}
