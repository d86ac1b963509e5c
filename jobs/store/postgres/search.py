"""Searches of the history as SQL: built by SQLAlchemy, run by asyncpg."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    any_,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB

from ..finished_job import FINISHED_JOB_COLUMNS, FinishedJob
from ..job_filter import JobFilter, Part, Sort
from .cursor import Position
from .query import Query, compiled
from .tables import jobs

#: Each has an index in the order of time.
_PLAIN = ("state", "queue", "kind", "priority", "worker", "fingerprint")
#: Where several values are given: by which of them a search is split, those that tell most first.
_SPLIT_BY = ("fingerprint", "worker", "kind", "queue", "priority", "state")
#: What lets the indexes be seen that have an order and no value: see 0003_history.sql.
_WALK_BY_TIME = jobs.c.starts >= literal_column("0")
_WALK_BY_RUN_TIME = jobs.c.attempts >= literal_column("0")
#: How many jobs are looked at one by one for what is common, before another index is asked.
_NEARBY = 5_000
_DESCENDING = (Sort.NEWEST, Sort.SLOWEST)
#: What LIKE would take for something else.
_TAKEN_LITERALLY = {ord(character): "\\" + character for character in "%_\\"}


def page_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The first `limit` jobs of a search, or those that come after a position."""
    columns = [jobs.c[name] for name in FINISHED_JOB_COLUMNS]

    def part(one: JobFilter) -> Select[Any]:
        walks = _needs_walk(one, sort) and not looks_inside(one)
        return _in_order(select(*columns).where(*_by_content(one, jobs)), one, sort, after, walks=walks)

    return compiled(_merged(wanted, sort, limit, part))


def nearby_query(wanted: JobFilter, sort: Sort, after: Position | None, limit: int) -> Query:
    """The same, looked for among the next `_NEARBY` jobs only: all that there are, if it finds `limit`."""

    def part(one: JobFilter) -> Select[Any]:
        ask = select(jobs)
        if one.text is not None and sort.is_by_time:
            ask = ask.where(jobs.c.error_words.is_not(None))
        return _in_order(ask, one, sort, after, walks=_needs_walk(one, sort))

    near = _merged(wanted, sort, _NEARBY, part).subquery()
    found = select(*(near.c[name] for name in FINISHED_JOB_COLUMNS)).where(*_by_content(wanted, near))
    return compiled(found.order_by(*_keys(near, sort)).limit(limit))


def looks_inside(wanted: JobFilter) -> bool:
    """Whether it asks for what has an index, but none in an order."""
    only_tagged = wanted.within is not None and all(part.tag is not None for part in wanted.within)
    return only_tagged or wanted.tag is not None or wanted.text is not None or bool(wanted.payload)


def count_query(wanted: JobFilter, at_most: int) -> Query:
    """How many jobs there are, counted no further than `at_most`."""
    found: Select[Any] = select(literal_column("1")).select_from(jobs)
    found = found.where(*_by_value(wanted), *_by_content(wanted, jobs))
    if _needs_walk(wanted, Sort.NEWEST) and not looks_inside(wanted):
        found = found.where(_WALK_BY_TIME)
    return compiled(select(func.count()).select_from(found.limit(at_most).subquery()))


def _merged(
    wanted: JobFilter, sort: Sort, limit: int, part: Callable[[JobFilter], Select[Any]]
) -> Select[Any]:
    """The first `limit` of a search.

    An index has one value in the order of time, but not several: of these, each is asked for on its own.
    """
    parts = [part(one).limit(limit) for one in _split(wanted)]
    if len(parts) == 1:
        return parts[0]
    either = union_all(*(select(one.subquery()) for one in parts)).subquery()
    return select(either).order_by(*_keys(either, sort)).limit(limit)


def _split(wanted: JobFilter) -> list[JobFilter]:
    if wanted.job_id is not None:  # they are few, whatever else is asked for
        return [wanted]
    for name in _SPLIT_BY:
        if len(values := wanted.values(name)) > 1:
            each: list[dict[str, Any]] = [{name: value} for value in dict.fromkeys(values)]
            return [replace(wanted, **one) for one in each]
    return [wanted]


def position_of(job: FinishedJob, sort: Sort) -> Position:
    """Where a job stands in its order."""
    return Position(None if sort.is_by_time else job.run_ms, job.ended_at, job.job_id)


def _needs_walk(wanted: JobFilter, sort: Sort) -> bool:
    """Whether no index has both a value of the filter and the order."""
    if wanted.job_id is not None:
        return False
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
    for name in (*_PLAIN, "job_id"):
        if len(values := wanted.values(name)) > 1:
            yield jobs.c[name] == any_(literal(list(values), ARRAY(Text)))
        elif values:
            yield jobs.c[name] == values[0]
    if wanted.since is not None:
        yield jobs.c.ended_at >= wanted.since
    if wanted.until is not None:
        yield jobs.c.ended_at < wanted.until


def _by_content(wanted: JobFilter, among: FromClause) -> Iterator[ColumnElement[bool]]:
    """What an index finds, but in no order."""
    if wanted.tag is not None:
        yield _has_tags(among, wanted.values("tag"))
    for one in wanted.payload:
        documents = [cast(literal(document, Text), JSONB) for document in one.as_documents()]
        yield or_(*(among.c.payload.bool_op("@>")(document) for document in documents))
    if wanted.within is not None:
        yield or_(false(), *(_lies_in(part, among) for part in wanted.within))
    if wanted.text is not None:
        yield among.c.error_words.bool_op("@@")(func.monarq.error_query(literal(wanted.text, Text)))


def _lies_in(part: Part, among: FromClause) -> ColumnElement[bool]:
    conditions = [_has_tags(among, (part.tag,))] if part.tag is not None else []
    for column, groups in ((among.c.queue, part.queues), (among.c.kind, part.kinds)):
        conditions += [or_(*(_fits(column, pattern) for pattern in group)) for group in groups]
    return and_(true(), *conditions)


def _has_tags(among: FromClause, tags: tuple[str, ...]) -> ColumnElement[bool]:
    return among.c.tags.bool_op("@>")(literal(list(tags), ARRAY(Text)))


def _fits(column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if "*" not in pattern:
        return column == pattern
    escaped = pattern.translate(_TAKEN_LITERALLY)
    return column.like(escaped.replace("*", "%"), escape="\\")


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
