"""What went wrong with jobs that have ended, attempt by attempt: the history, as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import asyncpg

from ..statements import statement


class AttemptRow(NamedTuple):
    """A row of `monarq.attempts`: one attempt that did not succeed."""

    job_id: str
    #: Of the job.
    ended_at: datetime
    number: int
    cause: str
    error_type: str
    message: str
    traceback: str
    worker: str
    began_at: datetime | None
    finished_at: datetime | None


class Attempts:
    """The attempts that did not succeed, on the connection of a unit."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def copy(self, rows: Sequence[AttemptRow]) -> None:
        """Write attempts that are all new: the fast way, which fails if one of them is there."""
        if rows:
            await self._connection.copy_records_to_table(
                "attempts", schema_name="monarq", columns=AttemptRow._fields, records=rows
            )

    async def add(self, rows: Sequence[AttemptRow]) -> None:
        """Write those that are not there yet."""
        await self._connection.executemany(statement("add_attempt"), rows)
