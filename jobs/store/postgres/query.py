"""Statements that SQLAlchemy builds, as asyncpg takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql.asyncpg import dialect

_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Query(NamedTuple):
    """A statement for asyncpg, and its parameters."""

    sql: str
    parameters: list[Any]


def compiled(ask: Select[Any]) -> Query:
    """A search, ready to be sent."""
    done = ask.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    return Query(str(done), [done.params[name] for name in done.positiontup or ()])
