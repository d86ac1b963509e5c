"""Searches of the audit as SQL."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    MetaData,
    Table,
    Text,
    and_,
    false,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from ..audit_filter import AuditFilter, AuditPart
from .query import Query, compiled

_TEXTS = (
    "actor",
    "actor_id",
    "means",
    "role",
    "address",
    "place",
    "action",
    "subject",
    "queue",
    "kind",
    "result",
    "request_id",
)
_audit = Table(
    "audit",
    MetaData(),
    Column("id", BigInteger),
    Column("at", DateTime(timezone=True)),
    *(Column(name, Text) for name in _TEXTS),
    *(Column(name, JSONB) for name in ("before", "after", "detail")),
    schema="monarq",
)
#: What LIKE would take for something else.
_TAKEN_LITERALLY = {ord(character): "\\" + character for character in "%_\\"}


def acts_query(wanted: AuditFilter, *, before: int | None, after: int | None, limit: int) -> Query:
    """The newest first, of those before an act; or, with `after`, the oldest first, of those behind one."""
    ask = select(_audit).where(*_conditions(wanted))
    if after is not None:
        return compiled(ask.where(_audit.c.id > after).order_by(_audit.c.id).limit(limit))
    if before is not None:
        ask = ask.where(_audit.c.id < before)
    return compiled(ask.order_by(_audit.c.id.desc()).limit(limit))


def _conditions(wanted: AuditFilter) -> Iterator[ColumnElement[bool]]:
    for name in ("actor", "action", "subject", "queue"):
        if (value := getattr(wanted, name)) is not None:
            yield _audit.c[name] == value
    if wanted.since is not None:
        yield _audit.c.at >= wanted.since
    if wanted.until is not None:
        yield _audit.c.at < wanted.until
    if wanted.within is not None:
        yield or_(false(), *map(_lies_in, wanted.within))


def _lies_in(part: AuditPart) -> ColumnElement[bool]:
    conditions = [] if part.actor_id is None else [_audit.c.actor_id == part.actor_id]
    for column, groups in ((_audit.c.queue, part.queues), (_audit.c.kind, part.kinds)):
        # only a * fits what concerns all of them
        name = func.coalesce(column, "*")
        conditions += [or_(*(_fits(name, pattern) for pattern in group)) for group in groups]
    return and_(true(), *conditions)


def _fits(name: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    return name.like(pattern.translate(_TAKEN_LITERALLY).replace("*", "%"), escape="\\")
