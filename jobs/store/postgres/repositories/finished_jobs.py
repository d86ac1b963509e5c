"""Jobs that have ended, and their attempts, as they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from pydantic_core import from_json

from ...finished_job import FINISHED_JOB_COLUMNS, FinishedJob, JobStory, PastAttempt
from ..query import Query
from ..statements import statement
from ..unit_of_work import Connection


class FinishedJobs:
    """Reads the history on the connection that it is given.

    Args:
        patience: How long the server looks for what was asked; None: as long as the settings say.
    """

    def __init__(self, connection: Connection, patience: timedelta | None = None) -> None:
        self._connection = connection
        self._patience = patience

    async def select(self, query: Query) -> list[FinishedJob]:
        """The jobs that a query finds."""
        async with self._search():
            rows = await self._connection.fetch(query.sql, *query.parameters)
        return [_job(row) for row in rows]

    async def count(self, query: Query) -> int:
        """The one number that a query finds."""
        async with self._search():
            return int(await self._connection.fetchval(query.sql, *query.parameters))

    @asynccontextmanager
    async def _search(self) -> AsyncIterator[None]:
        async with self._connection.transaction(readonly=True):
            await self._connection.execute(statement("plan_each_search"))
            if self._patience is not None:
                most = str(round(self._patience.total_seconds() * 1000))
                await self._connection.execute(statement("give_up_after"), most)
            yield

    async def stories(self, job_id: str) -> list[JobStory]:
        """All ends of a job, the newest first."""
        rows = await self._connection.fetch(statement("job_ends"), job_id)
        attempts = await self._connection.fetch(statement("job_attempts"), job_id)
        return [
            JobStory(
                job=_job(row),
                payload=_document(row["payload"]),
                result=_document(row["result"]),
                attempts=[_attempt(one) for one in attempts if one["ended_at"] == row["ended_at"]],
            )
            for row in rows
        ]


def _job(row: Any) -> FinishedJob:
    return FinishedJob(**{name: row[name] for name in FINISHED_JOB_COLUMNS})


def _attempt(row: Any) -> PastAttempt:
    return PastAttempt(**{name: row[name] for name in PastAttempt.__slots__})


def _document(text: str | None) -> Any:
    return None if text is None else from_json(text)
