"""Durable jobs that have not ended, for those who compare them with what Redis has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


class Listed(NamedTuple):
    """One job of a page."""

    created_at: datetime
    job_id: str
    queue: str
    fence: int


#: Before all of them.
FIRST = Listed(datetime(1, 1, 1, tzinfo=UTC), "", "", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJob:
    """All that PostgreSQL knows of one."""

    job_id: str
    queue: str
    kind: str
    rank: int
    due_at: datetime | None
    head: bytes
    unique_rule: str
    created_at: datetime
    age: timedelta
    fence: int
    worker: str
    spent: int


class OpenJobs:
    """Reads `monarq.durable_jobs`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count(self) -> int:
        """How many there are."""
        return int(await self._connection.fetchval(statement("open_jobs_count")))

    async def page(self, after: Listed, limit: int) -> list[Listed]:
        """Those that came after this one, the oldest first."""
        rows = await self._connection.fetch(
            statement("open_jobs_page"), after.created_at, after.job_id, limit
        )
        return [Listed(*row) for row in rows]

    async def hold(self, job_ids: Sequence[str]) -> list[OpenJob]:
        """Those of these that are open, and in no outbox.  None can end before the transaction does."""
        # the outbox first: so does a relay, and two who wait for each other would get nowhere
        waiting = await self._connection.fetch(statement("open_jobs_outbox"), job_ids)
        to_be_sent = {row["job_id"] for row in waiting}
        left = [job_id for job_id in job_ids if job_id not in to_be_sent]
        return [OpenJob(**row) for row in await self._connection.fetch(statement("open_jobs_hold"), left)]

    async def ended_among(self, job_ids: Collection[str]) -> list[str]:
        """Those of these that have ended."""
        rows = await self._connection.fetch(statement("open_jobs_ended"), list(job_ids))
        return [row["job_id"] for row in rows]
