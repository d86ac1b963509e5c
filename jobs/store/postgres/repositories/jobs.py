"""Jobs that have ended: the history, as it is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import asyncpg

from ..statements import statement
from .attempts import AttemptRow


class JobRow(NamedTuple):
    """A row of `monarq.jobs`: the columns in their order."""

    job_id: str
    ended_at: datetime
    state: str
    queue: str
    kind: str
    priority: str
    tags: Sequence[str]
    #: Of the last attempt, as are those below; None if there was none.
    worker: str | None
    #: Attempts spent, and starts.
    attempts: int
    starts: int
    enqueued_at: datetime | None
    started_at: datetime | None
    run_ms: int | None
    #: From when it was due to its last start.
    wait_ms: int | None
    error_type: str | None
    error_message: str | None
    fingerprint: str | None
    reason: str | None
    by: str | None
    #: JSON.
    payload: str | None
    result: str | None


class EndedJob(NamedTuple):
    """A job that has ended, and its attempts that did not succeed."""

    job: JobRow
    attempts: Sequence[AttemptRow] = ()


class Jobs:
    """The jobs that have ended, on the connection of a unit."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def copy(self, rows: Sequence[JobRow]) -> None:
        """Write jobs that are all new: the fast way, which fails if one of them is there."""
        if rows:
            await self._connection.copy_records_to_table(
                "jobs", schema_name="monarq", columns=JobRow._fields, records=rows
            )

    async def add(self, rows: Sequence[JobRow]) -> None:
        """Write those that are not there yet."""
        await self._connection.executemany(statement("add_job"), rows)

    async def make_day(self, day: date) -> None:
        """Make room for the jobs that ended on this day (UTC), if there is none."""
        await self._connection.execute(statement("make_history_day"), day)

    async def make_ahead(self, days: int) -> int:
        """Make room for today and so many days more; how many were missing."""
        return int(await self._connection.fetchval(statement("make_history_ahead"), days))

    async def drop_old(self, keep: timedelta) -> int:
        """Forget the days that ended before this time span; how many there were."""
        return int(await self._connection.fetchval(statement("drop_history"), keep))
