"""Writes jobs into the outbox through a connection of the app's, in whatever transaction it is in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..verbs import Accepted
from .faults import told_in_our_words
from .outbox_rows import NewRow, as_named, parameters_of
from .statements import statement


async def write(connection: Any, rows: Sequence[NewRow]) -> list[Accepted]:
    """Write jobs, each once; per row what became of it.

    Args:
        connection: asyncpg's, or a session or connection of SQLAlchemy's asyncio.

    Raises:
        TypeError: It is neither.
        StoreError: As `told_in_our_words` has it, if it is asyncpg's.
    """
    created = {job_id for (job_id,) in await _fetch(connection, "outbox_add", parameters_of(rows))}
    accepted: list[Accepted] = []
    for row in rows:
        accepted.append(Accepted.CREATED if row.job_id in created else Accepted.EXISTS)
        created.discard(row.job_id)  # the same id twice in one call
    if Accepted.EXISTS in accepted:
        await _tell_conflicts(connection, rows, accepted)
    return accepted


async def _tell_conflicts(connection: Any, rows: Sequence[NewRow], accepted: list[Accepted]) -> None:
    """Of the jobs that exist, find those that are others under the same id."""
    existing = [row.job_id for row, became in zip(rows, accepted, strict=True) if became is Accepted.EXISTS]
    found = await _fetch(connection, "outbox_digests", {"job_ids": existing})
    digests: dict[str, str] = dict(map(tuple, found))
    for at, row in enumerate(rows):
        other = digests.get(row.job_id, "")
        if accepted[at] is Accepted.EXISTS and row.digest and other and other != row.digest:
            accepted[at] = Accepted.CONFLICT


async def _fetch(connection: Any, name: str, parameters: dict[str, list[Any]]) -> Sequence[Any]:
    if _is_sqlalchemy(connection):
        from sqlalchemy import text

        result = await connection.execute(text(as_named(name, [*parameters])), parameters)
        rows: Sequence[Any] = result.all()
        return rows
    if not hasattr(connection, "fetch"):
        raise TypeError(
            f"connection: {type(connection).__name__} is neither a connection of asyncpg nor an async "
            "session of SQLAlchemy; with another driver, execute `producer.outbox_row(…)` yourself"
        )
    with told_in_our_words():
        fetched: Sequence[Any] = await connection.fetch(statement(name), *parameters.values())
        return fetched


def _is_sqlalchemy(connection: Any) -> bool:
    module = sys.modules.get("sqlalchemy.ext.asyncio")  # who has a session has it loaded
    if module is None:
        return False
    return isinstance(connection, (module.AsyncSession, module.AsyncConnection, module.async_scoped_session))
