"""Searches among the dead letters that PostgreSQL holds, built from what is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
)

from ..letter_filter import LetterFilter, needles
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


def page(wanted: LetterFilter, queue: str, after: Key | None, *, newest_first: bool, size: int) -> Query:
    """Heads of letters of one queue, by the time of death, from behind a letter on."""
    place = tuple_(_L.died_at, _L.job_id)
    found = select(*_HEAD).where(*_conditions(wanted, [queue])).limit(size)
    if after is not None:
        edge = tuple_(literal(moment_of(after[1]), _TIME), literal(after[0], Text))
        found = found.where(place < edge if newest_first else place > edge)
    order = (_L.died_at, _L.job_id)
    return compiled(found.order_by(*(column.desc() for column in order) if newest_first else order))


def groups(wanted: LetterFilter, queues: Sequence[str], seen: Iterable[Key]) -> Query:
    """Per fingerprint, queue and kind: how many letters, when the first and the last of them died.

    Args:
        seen: Letters that have been counted already.
    """
    grouped = (_L.fingerprint, _L.queue, _L.kind)
    first, last = func.min(_L.died_at), func.max(_L.died_at)
    found = (
        select(*grouped, func.count().label("number"), first.label("first"), last.label("last"))
        .where(*_conditions(wanted, queues))
        .group_by(*grouped)
    )
    if known := list(seen):
        letters = [(storable(job_id), moment_of(died_ms)) for job_id, died_ms in known]
        counted = _given(letters, ("job_id", Text()), ("died_at", _TIME))
        same = and_(counted.c.job_id == _L.job_id, counted.c.died_at == _L.died_at)
        found = found.where(~select(literal(1)).select_from(counted).where(same).exists())
    return compiled(found)


def samples(wanted: LetterFilter, places: Sequence[tuple[str, str, datetime]]) -> Query:
    """For each queue, fingerprint and time of death the head of one letter that is meant."""
    asked = _given(places, ("queue", Text()), ("fingerprint", Text()), ("died_at", _TIME))
    one = (
        select(*_HEAD, _L.fingerprint)
        .where(
            _L.queue == asked.c.queue,
            _L.fingerprint == asked.c.fingerprint,
            _L.died_at == asked.c.died_at,
            *_within(wanted),
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
    if wanted.text is not None:
        conditions.append(
            or_(*(func.strpos(_L.searchable, storable(needle)) > 0 for needle in needles(wanted.text)))
        )
    return conditions


def _given(rows: Sequence[tuple[Any, ...]], *columns: tuple[str, Any]) -> Any:
    """Rows that the caller knows, as a table: one array per column."""
    arrays = [
        bindparam(None, list(values), ARRAY(kind))
        for values, (_, kind) in zip(zip(*rows, strict=True), columns, strict=True)
    ]
    typed = [Column(name, kind) for name, kind in columns]
    return func.unnest(*arrays).table_valued(*typed, name="given").render_derived()
