"""Searches of the history as SQL: built by SQLAlchemy, run by asyncpg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    ColumnElement,
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
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from ..finished_job import FINISHED_JOB_COLUMNS, FinishedJob
from ..job_filter import JobFilter, Sort
from .cursor import Position
from .tables import jobs

_DIALECT = dialect()  # type: ignore[no-untyped-call]
#: Each has an index in the order of time.
_PLAIN = ("state", "queue", "kind", "priority", "worker", "fingerprint")
#: What lets the indexes be seen that have an order and no value: see 0003_history.sql.
_WALK_BY_TIME = jobs.c.starts >= literal_column("0")
_WALK_BY_RUN_TIME = jobs.c.attempts >= literal_column("0")
_DESCENDING = (Sort.NEWEST, Sort.SLOWEST)


class Query(NamedTuple):
    """A statement for asyncpg, and its parameters."""

    sql: str
    parameters: list[Any]


def page_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The first `limit` jobs of a search, or those that come after a position."""
    keys = [jobs.c.ended_at, jobs.c.job_id]
    ask = select(*(jobs.c[name] for name in FINISHED_JOB_COLUMNS)).where(*_conditions(wanted))
    if not sort.is_by_time:
        keys.insert(0, jobs.c.run_ms)
        ask = ask.where(jobs.c.run_ms.is_not(None))
    if _needs_walk(wanted, sort):
        ask = ask.where(_WALK_BY_TIME if sort.is_by_time else _WALK_BY_RUN_TIME)
    if after is not None:
        ask = ask.where(_comes_after(keys, sort, after))
    return _compiled(ask.order_by(*(key.desc() if sort in _DESCENDING else key for key in keys)).limit(limit))


def count_query(wanted: JobFilter, at_most: int) -> Query:
    """How many jobs there are, counted no further than `at_most`."""
    found: Select[Any] = select(literal_column("1")).where(*_conditions(wanted)).select_from(jobs)
    if _needs_walk(wanted, Sort.NEWEST):
        found = found.where(_WALK_BY_TIME)
    return _compiled(select(func.count()).select_from(found.limit(at_most).subquery()))


def position_of(job: FinishedJob, sort: Sort) -> Position:
    """Where a job stands in its order."""
    return Position(None if sort.is_by_time else job.run_ms, job.ended_at, job.job_id)


def _compiled(ask: Select[Any]) -> Query:
    done = ask.compile(dialect=_DIALECT)
    return Query(str(done), [done.params[name] for name in done.positiontup or ()])


def _needs_walk(wanted: JobFilter, sort: Sort) -> bool:
    """Whether no index has both a value of the filter and the order."""
    if sort.is_by_time:
        return all(getattr(wanted, name) is None for name in _PLAIN)
    return wanted.kind is None


def _conditions(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    for name in _PLAIN:
        if (value := getattr(wanted, name)) is not None:
            yield jobs.c[name] == value
    if wanted.since is not None:
        yield jobs.c.ended_at >= wanted.since
    if wanted.until is not None:
        yield jobs.c.ended_at < wanted.until
    if wanted.tag is not None:
        yield jobs.c.tags.bool_op("@>")(literal([wanted.tag], ARRAY(Text)))
    for one in wanted.payload:
        yield jobs.c.payload.bool_op("@>")(cast(literal(one.as_json(), Text), JSONB))
    if wanted.text is not None:
        yield jobs.c.error_words.bool_op("@@")(func.monarq.error_query(literal(wanted.text, Text)))


def _comes_after(keys: list[Any], sort: Sort, after: Position) -> ColumnElement[bool]:
    place = [literal(value, key.type) for key, value in zip(keys, after.keys(), strict=True)]
    # the first key on its own as well: by it alone, whole days are left out
    if sort in _DESCENDING:
        return and_(keys[0] <= place[0], tuple_(*keys) < tuple_(*place))
    return and_(keys[0] >= place[0], tuple_(*keys) > tuple_(*place))
