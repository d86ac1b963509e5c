"""Searches of the history as SQL: built by SQLAlchemy, run by asyncpg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import JSONB

from ..finished_job import FINISHED_JOB_COLUMNS, FinishedJob
from ..job_filter import JobFilter, Sort
from .cursor import Position
from .query import Query, compiled
from .tables import jobs

#: Each has an index in the order of time.
_PLAIN = ("state", "queue", "kind", "priority", "worker", "fingerprint")
#: What lets the indexes be seen that have an order and no value: see 0003_history.sql.
_WALK_BY_TIME = jobs.c.starts >= literal_column("0")
_WALK_BY_RUN_TIME = jobs.c.attempts >= literal_column("0")
#: How many jobs are looked at one by one for what is common, before another index is asked.
_NEARBY = 5_000
_DESCENDING = (Sort.NEWEST, Sort.SLOWEST)


def page_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The first `limit` jobs of a search, or those that come after a position."""
    ask = select(*(jobs.c[name] for name in FINISHED_JOB_COLUMNS)).where(*_by_content(wanted, jobs))
    walks = _needs_walk(wanted, sort) and not looks_inside(wanted)
    return compiled(_in_order(ask, wanted, sort, after, walks=walks).limit(limit))


def nearby_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The same, looked for among the next `_NEARBY` jobs only: all that there are, if it finds `limit`."""
    ask = select(jobs)
    if wanted.text is not None and sort.is_by_time:
        ask = ask.where(jobs.c.error_words.is_not(None))
    near = _in_order(ask, wanted, sort, after, walks=_needs_walk(wanted, sort)).limit(_NEARBY).subquery()
    found = select(*(near.c[name] for name in FINISHED_JOB_COLUMNS)).where(*_by_content(wanted, near))
    return compiled(found.order_by(*_keys(near, sort)).limit(limit))


def looks_inside(wanted: JobFilter) -> bool:
    """Whether it asks for what has an index, but none in an order."""
    return wanted.tag is not None or wanted.text is not None or bool(wanted.payload)


def count_query(wanted: JobFilter, at_most: int) -> Query:
    """How many jobs there are, counted no further than `at_most`."""
    found: Select[Any] = select(literal_column("1")).select_from(jobs)
    found = found.where(*_by_value(wanted), *_by_content(wanted, jobs))
    if _needs_walk(wanted, Sort.NEWEST) and not looks_inside(wanted):
        found = found.where(_WALK_BY_TIME)
    return compiled(select(func.count()).select_from(found.limit(at_most).subquery()))


def position_of(job: FinishedJob, sort: Sort) -> Position:
    """Where a job stands in its order."""
    return Position(None if sort.is_by_time else job.run_ms, job.ended_at, job.job_id)


def _needs_walk(wanted: JobFilter, sort: Sort) -> bool:
    """Whether no index has both a value of the filter and the order."""
    if sort.is_by_time:
        return all(getattr(wanted, name) is None for name in _PLAIN)
    return wanted.kind is None


def _in_order(
    ask: Select[Any], wanted: JobFilter, sort: Sort, after: Position | None, *, walks: bool
) -> Select[Any]:
    ask = ask.where(*_by_value(wanted))
    if not sort.is_by_time:
        ask = ask.where(jobs.c.run_ms.is_not(None))
    if walks:
        ask = ask.where(_WALK_BY_TIME if sort.is_by_time else _WALK_BY_RUN_TIME)
    if after is not None:
        ask = ask.where(_comes_after(sort, after))
    return ask.order_by(*_keys(jobs, sort))


def _by_value(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    """What an index finds in the order of time."""
    for name in _PLAIN:
        if (value := getattr(wanted, name)) is not None:
            yield jobs.c[name] == value
    if wanted.since is not None:
        yield jobs.c.ended_at >= wanted.since
    if wanted.until is not None:
        yield jobs.c.ended_at < wanted.until


def _by_content(wanted: JobFilter, among: FromClause) -> Iterator[ColumnElement[bool]]:
    """What an index finds, but in no order."""
    if wanted.tag is not None:
        yield among.c.tags.bool_op("@>")(literal([wanted.tag], ARRAY(Text)))
    for one in wanted.payload:
        yield among.c.payload.bool_op("@>")(cast(literal(one.as_json(), Text), JSONB))
    if wanted.text is not None:
        yield among.c.error_words.bool_op("@@")(func.monarq.error_query(literal(wanted.text, Text)))


def _order(sort: Sort) -> tuple[str, ...]:
    return ("ended_at", "job_id") if sort.is_by_time else ("run_ms", "ended_at", "job_id")


def _keys(among: FromClause, sort: Sort) -> list[ColumnElement[Any]]:
    keys = [among.c[name] for name in _order(sort)]
    return [key.desc() for key in keys] if sort in _DESCENDING else list(keys)


def _comes_after(sort: Sort, after: Position) -> ColumnElement[bool]:
    keys = [jobs.c[name] for name in _order(sort)]
    place = [literal(value, key.type) for key, value in zip(keys, after.keys(), strict=True)]
    # the first key on its own as well: by it alone, whole days are left out
    if sort in _DESCENDING:
        return and_(keys[0] <= place[0], tuple_(*keys) < tuple_(*place))
    return and_(keys[0] >= place[0], tuple_(*keys) > tuple_(*place))
