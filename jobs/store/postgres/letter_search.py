"""Searches among the dead letters that PostgreSQL holds, built from what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    MetaData,
    Select,
    SmallInteger,
    Table,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
)

from ..letter_filter import LetterFilter, needles
from .letter_cells import CellPlace
from .query import Query, compiled
from .repositories.dead_letters import Key, moment_of, storable

_TIME = DateTime(timezone=True)

_LETTERS = Table(
    "dead_letters",
    MetaData(),
    Column("job_id", Text),
    Column("died_at", _TIME),
    Column("queue", Text),
    Column("queue_entry", Text),
    Column("kind", Text),
    Column("rank", SmallInteger),
    Column("fingerprint", Text),
    Column("body", LargeBinary),
    Column("attempts", ARRAY(LargeBinary)),
    Column("searchable", Text),
    Column("moved_at", _TIME),
    schema="monarq",
)
_L = _LETTERS.c
#: What a head is read from.
_HEAD = (
    _L.job_id,
    _L.died_at,
    _L.queue_entry,
    _L.body,
    _L.attempts[func.cardinality(_L.attempts)].label("failure"),
)


def page(
    wanted: LetterFilter,
    queue: str,
    after: Key | None,
    *,
    newest_first: bool,
    size: int,
    window: int | None = None,
) -> Query:
    """Heads of letters of one queue, by the time of death, from behind a letter on.

    Args:
        window: Read only so many of the letters that an index finds, and of these those that are meant.
    """
    found = _behind(select(*_HEAD), wanted, queue, after, newest_first=newest_first)
    if window is None:
        return compiled(found.where(*_inside(wanted)).limit(size))
    read = found.add_columns(_L.searchable).limit(window).subquery()
    named: list[Any] = [read.c[column.name] for column in _HEAD]
    return compiled(select(*named).where(*_inside(wanted, read.c.searchable)).limit(size))


def end_of_window(
    wanted: LetterFilter, queue: str, after: Key | None, *, newest_first: bool, window: int
) -> Query:
    """The last letter that `page` reads; none if it comes to the end of all."""
    place: Select[Any] = select(_L.job_id, _L.died_at)
    found = _behind(place, wanted, queue, after, newest_first=newest_first)
    return compiled(found.offset(window - 1).limit(1))


def groups(
    wanted: LetterFilter, queues: Sequence[str], seen: Iterable[Key], hours_since: datetime | None = None
) -> Query:
    """Per fingerprint, queue and kind: how many letters, when the first and the last of them died.

    Args:
        seen: Letters that have been counted already.
        hours_since: Count those that died since then by the hour, too, in hours since the epoch.
    """
    hour = _hour(hours_since).label("hour")
    grouped = (_L.fingerprint, _L.queue, _L.kind)
    first, last = func.min(_L.died_at), func.max(_L.died_at)
    found = (
        select(*grouped, hour, func.count().label("number"), first.label("first"), last.label("last"))
        .where(*_conditions(wanted, queues), *_inside(wanted))
        .group_by(*grouped, *([] if hours_since is None else [hour]))
    )
    if known := list(seen):
        letters = [(storable(job_id), moment_of(died_ms)) for job_id, died_ms in known]
        counted = _given(letters, ("job_id", Text()), ("died_at", _TIME))
        same = and_(counted.c.job_id == _L.job_id, counted.c.died_at == _L.died_at)
        found = found.where(~select(literal(1)).select_from(counted).where(same).exists())
    return compiled(found)


def samples(wanted: LetterFilter, places: Sequence[CellPlace]) -> Query:
    """For each queue, fingerprint, kind and time of death the head of one letter that is meant."""
    columns = ("queue", Text()), ("fingerprint", Text()), ("kind", Text()), ("died_at", _TIME)
    asked = _given(places, *columns)
    one = (
        select(*_HEAD, _L.queue, _L.fingerprint, _L.kind)
        .where(
            _L.queue == asked.c.queue,
            _L.fingerprint == asked.c.fingerprint,
            _L.kind.is_not_distinct_from(asked.c.kind),
            _L.died_at == asked.c.died_at,
            *_within(wanted),
            *_inside(wanted),
        )
        .order_by(_L.job_id)
        .limit(1)
        .lateral("one")
    )
    return compiled(select(one).select_from(asked.join(one, true())))


def _conditions(wanted: LetterFilter, queues: Sequence[str]) -> list[ColumnElement[bool]]:
    conditions = [_L.queue == queues[0] if len(queues) == 1 else _L.queue.in_(queues), *_within(wanted)]
    if wanted.since is not None:
        conditions.append(_L.died_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_L.died_at < wanted.until)
    if wanted.fingerprint is not None:
        conditions.append(_L.fingerprint == wanted.fingerprint)
    return conditions


def _within(wanted: LetterFilter) -> list[ColumnElement[bool]]:
    """What a letter must be beside its place in an index."""
    conditions: list[ColumnElement[bool]] = [_L.moved_at.is_not(None)]
    if wanted.kind is not None:
        conditions.append(_L.kind == storable(wanted.kind))
    return conditions


def _inside(wanted: LetterFilter, searchable: Any = _L.searchable) -> list[ColumnElement[bool]]:
    """What it must hold.  Of one whose words hold the wanted type of error, more is to be asked."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.error is not None:
        line = f"\n{storable(wanted.error).casefold()}\n"
        conditions.append(func.strpos(searchable, line) > 0)
    if wanted.text is not None:
        conditions.append(
            or_(*(func.strpos(searchable, storable(needle)) > 0 for needle in needles(wanted.text)))
        )
    return conditions


def _behind(
    found: Select[Any], wanted: LetterFilter, queue: str, after: Key | None, *, newest_first: bool
) -> Select[Any]:
    """Letters of one queue that an index finds, in order, from behind one of them on."""
    found = found.where(*_conditions(wanted, [queue]))
    if after is not None:
        place = tuple_(_L.died_at, _L.job_id)
        edge = tuple_(literal(moment_of(after[1]), _TIME), literal(storable(after[0]), Text))
        found = found.where(place < edge if newest_first else place > edge)
    order = (_L.died_at, _L.job_id)
    return found.order_by(*((column.desc() for column in order) if newest_first else order))


def _hour(since: datetime | None) -> ColumnElement[Any]:
    if since is None:
        return null()
    hour = cast(func.floor(func.extract("epoch", _L.died_at) / 3600), BigInteger)
    return case((_L.died_at >= since, hour), else_=null())


def _given(rows: Sequence[tuple[Any, ...]], *columns: tuple[str, Any]) -> Any:
    """Rows that the caller knows, as a table: one array per column."""
    arrays = [
        bindparam(None, list(values), ARRAY(kind))
        for values, (_, kind) in zip(zip(*rows, strict=True), columns, strict=True)
    ]
    typed = [Column(name, kind) for name, kind in columns]
    return func.unnest(*arrays).table_valued(*typed, name="given").render_derived()
