"""Questions to the roll-ups as SQL: built by SQLAlchemy, run by asyncpg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Interval,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import array

from ...histogram import BUCKETS
from .query import Query, compiled
from .tables import rollups

#: What is added up as it is.
_SUMS = (
    "succeeded", "dead", "cancelled", "expired", "recovered", "attempts", "starts", "run_ms", "wait_ms",
)  # fmt: skip
_HISTOGRAMS = ("run_counts", "wait_counts")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupFilter:
    """Which roll-ups are meant: those of spans that began in a time, of a queue, of a kind."""

    #: Spans of 5 or of 60 minutes.
    minutes: int
    since: datetime
    until: datetime
    queue: str | None = None
    kind: str | None = None
    #: Only these queues and kinds, pair by pair; None: all.
    among: tuple[tuple[str, str], ...] | None = None


def by_time(wanted: RollupFilter, step: timedelta) -> Query:
    """Added up per step of time: whole steps, counted from midnight (UTC)."""
    start = func.date_bin(
        literal(step, Interval), rollups.c.began_at, literal(_EPOCH, DateTime(timezone=True))
    )
    return _added_up(wanted, start)


def by_name(wanted: RollupFilter, name: str) -> Query:
    """Added up per `queue` or per `kind`."""
    return _added_up(wanted, rollups.c[name])


def pairs_query(wanted: RollupFilter, limit: int) -> Query:
    """Which queues and kinds there are, pair by pair."""
    ask = select(rollups.c.queue, rollups.c.kind).distinct().where(*_conditions(wanted))
    return compiled(ask.order_by(rollups.c.queue, rollups.c.kind).limit(limit))


def _added_up(wanted: RollupFilter, key: ColumnElement[Any]) -> Query:
    # a sum of integers is a bigint, and one of those a numeric
    sums = [cast(func.sum(rollups.c[name]), BigInteger).label(name) for name in _SUMS]
    arrays = [_array_of_sums(name).label(name) for name in _HISTOGRAMS]
    ask = select(key.label("key"), *sums, *arrays).where(*_conditions(wanted))
    return compiled(ask.group_by(literal_column("1")).order_by(literal_column("1")))


def _array_of_sums(name: str) -> ColumnElement[Any]:
    numbers: Iterator[Any] = (literal_column(str(at)) for at in range(1, BUCKETS + 1))
    return array(func.sum(rollups.c[name][at]) for at in numbers)


def _conditions(wanted: RollupFilter) -> Iterator[ColumnElement[bool]]:
    yield rollups.c.minutes == literal_column(str(int(wanted.minutes)))
    yield rollups.c.began_at >= wanted.since
    yield rollups.c.began_at < wanted.until
    if wanted.queue is not None:
        yield rollups.c.queue == wanted.queue
    if wanted.kind is not None:
        yield rollups.c.kind == wanted.kind
    if wanted.among is not None:
        yield _is_among(wanted.among)


def _is_among(pairs: Sequence[tuple[str, str]]) -> ColumnElement[bool]:
    queues, kinds = (cast(literal([pair[at] for pair in pairs], ARRAY(Text)), ARRAY(Text)) for at in (0, 1))
    allowed = select(func.unnest(queues), func.unnest(kinds))
    return tuple_(rollups.c.queue, rollups.c.kind).in_(allowed)
