"""Searches of the history as SQL: built by SQLAlchemy, run by asyncpg."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import (
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
from sqlalchemy.dialects.postgresql.asyncpg import dialect

from ..finished_job import FINISHED_JOB_COLUMNS, FinishedJob
from ..job_filter import JobFilter, Sort
from .cursor import Position
from .tables import job_tags, jobs

_DIALECT = dialect()  # type: ignore[no-untyped-call]
#: Filters that compare one column of a job.
_PLAIN = ("state", "queue", "kind", "priority", "worker", "fingerprint")


class Query(NamedTuple):
    """A statement for asyncpg, and its parameters."""

    sql: str
    parameters: list[Any]


@dataclass(frozen=True, slots=True)
class _Order:
    """What is sorted by, before the time and the id; None: the time alone."""

    column: str | None
    is_descending: bool


_ORDERS = {
    Sort.NEWEST: _Order(None, True),
    Sort.OLDEST: _Order(None, False),
    Sort.SLOWEST: _Order("run_ms", True),
    Sort.FASTEST: _Order("run_ms", False),
    Sort.LONGEST_WAIT: _Order("wait_ms", True),
    Sort.SHORTEST_WAIT: _Order("wait_ms", False),
}


def page_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The first `limit` jobs of a search, or those that come after a position."""
    order = _ORDERS[sort]
    keys = _keys(wanted, order)
    ask = _from(wanted, *(jobs.c[name] for name in FINISHED_JOB_COLUMNS)).where(*_conditions(wanted))
    if order.column is not None:
        ask = ask.where(jobs.c[order.column].is_not(None))
    if after is not None:
        ask = ask.where(_comes_after(keys, order, after))
    return compiled(ask.order_by(*(key.desc() if order.is_descending else key for key in keys)).limit(limit))


def count_query(wanted: JobFilter, at_most: int) -> Query:
    """How many jobs there are, counted no further than `at_most`."""
    found = _from(wanted, literal_column("1")).where(*_conditions(wanted)).limit(at_most).subquery()
    return compiled(select(func.count()).select_from(found))


def position_of(job: FinishedJob, sort: Sort) -> Position:
    """Where a job stands in its order."""
    column = _ORDERS[sort].column
    return Position(None if column is None else getattr(job, column), job.ended_at, job.job_id)


def compiled(ask: Select[Any]) -> Query:
    """The statement with `$1`, `$2`, …, and what they stand for."""
    done = ask.compile(dialect=_DIALECT)
    return Query(str(done), [done.params[name] for name in done.positiontup or ()])


def _from(wanted: JobFilter, *columns: ColumnElement[Any]) -> Select[Any]:
    source: FromClause = jobs
    if wanted.tag is not None:
        same = and_(jobs.c.job_id == job_tags.c.job_id, jobs.c.ended_at == job_tags.c.ended_at)
        source = job_tags.join(jobs, same)
    return select(*columns).select_from(source)


def _end(wanted: JobFilter) -> FromClause:
    """The table whose times are compared: tags lie in the order of time, and lead to their jobs."""
    return jobs if wanted.tag is None else job_tags


def _keys(wanted: JobFilter, order: _Order) -> list[ColumnElement[Any]]:
    if order.column is not None:
        return [jobs.c[order.column], jobs.c.ended_at, jobs.c.job_id]
    table = _end(wanted)
    return [table.c.ended_at, table.c.job_id]


def _conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    found = [jobs.c[name] == value for name in _PLAIN if (value := getattr(wanted, name)) is not None]
    if wanted.tag is not None:
        found.append(job_tags.c.tag == wanted.tag)
    if wanted.since is not None:
        found.append(_end(wanted).c.ended_at >= wanted.since)
    if wanted.until is not None:
        found.append(_end(wanted).c.ended_at < wanted.until)
    if wanted.text is not None:
        words = func.monarq.error_words(jobs.c.error_type, jobs.c.error_message)
        found.append(words.bool_op("@@")(func.monarq.error_query(literal(wanted.text, Text))))
    for one in wanted.payload:
        found.append(jobs.c.payload.bool_op("@>")(cast(literal(one.as_json(), Text), JSONB)))
    return found


def _comes_after(keys: list[ColumnElement[Any]], order: _Order, after: Position) -> ColumnElement[bool]:
    place = [literal(value, key.type) for key, value in zip(keys, after.keys(), strict=True)]
    first, first_place = keys[0], place[0]
    if order.is_descending:
        # the first key on its own: whole days are left out by that alone
        return and_(first <= first_place, tuple_(*keys) < tuple_(*place))
    return and_(first >= first_place, tuple_(*keys) > tuple_(*place))
