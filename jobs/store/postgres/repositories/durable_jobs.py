"""Durable jobs: which attempt is the newest, and how each job has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection

#: What its column can hold.
_MOST_SPENT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Begun:
    """One attempt that has begun."""

    job_id: str
    #: Its number: starts of the job so far.
    fence: int
    worker: str
    #: Attempts spent before it.
    spent: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt has ended its job."""

    job_id: str
    fence: int
    worker: str
    #: succeeded, dead, cancelled or expired.
    state: str
    result: bytes | None = None
    #: The record of what a dead job died of.
    failure: bytes | None = None
    #: None: now.
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a job."""

    fence: int
    worker: str
    #: None while it has not ended.
    state: str | None
    result: bytes | None
    failure: bytes | None

    def is_of(self, attempt: Begun | Ended) -> bool:
        """Whether this attempt is the newest that is known."""
        return self.fence == attempt.fence and self.worker == attempt.worker

    def is_past(self, attempt: Begun | Ended) -> bool:
        """Whether there is a later one, or another of the same number."""
        return self.fence >= attempt.fence and not self.is_of(attempt)


class DurableJobRepository:
    """Jobs of which PostgreSQL is the truth.  Holds no transaction: its unit does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def open(self, begun: Sequence[Begun], worker: str) -> set[str]:
        """Write down attempts of one worker; the ids of those jobs that may run by what is known."""
        rows = await self._connection.fetch(
            statement("open_durable_jobs"),
            [one.job_id for one in begun],
            [one.fence for one in begun],
            [min(one.spent, _MOST_SPENT) for one in begun],
            worker,
        )
        return {row["job_id"] for row in rows}

    async def look(self, job_ids: Sequence[str]) -> Mapping[str, Standing]:
        """What is known of these jobs; one that is not there is unknown."""
        rows = await self._connection.fetch(statement("look_at_durable_jobs"), job_ids)
        return {row["job_id"]: _standing(row) for row in rows}

    async def end(self, ends: Sequence[Ended]) -> set[str]:
        """Record ends, at most one per job; the ids of those jobs that have ended by it."""
        rows = await self._connection.fetch(
            statement("end_durable_jobs"),
            [one.job_id for one in ends],
            [one.fence for one in ends],
            [one.worker for one in ends],
            [one.state for one in ends],
            [one.result for one in ends],
            [one.failure for one in ends],
            [one.at for one in ends],
        )
        return {row["job_id"] for row in rows}

    async def forget(self, keep: timedelta, keep_dead: timedelta | None, limit: int) -> int:
        """Delete ended jobs, the oldest first; how many."""
        deleted = await self._connection.execute(statement("forget_durable_jobs"), keep, keep_dead, limit)
        return int(deleted.rpartition(" ")[2])

    async def move(self, job_id: str, due_at: datetime, rank: int) -> None:
        """A job that waits, if it is durable, is due at another time or has another priority."""
        await self._connection.execute(statement("move_durable_job"), job_id, due_at, rank)

    # --- one attempt that works in a transaction

    async def open_once(self, begun: Begun) -> bool:
        """Write this attempt down; False if there is a later one, or the job has ended."""
        spent = min(begun.spent, _MOST_SPENT)
        opened = await self._connection.fetchval(
            statement("open_once"), begun.job_id, begun.fence, begun.worker, spent
        )
        return opened is not None

    async def bound_idle(self, longest: timedelta) -> None:
        """Let the server end this transaction if nothing is done in it for so long."""
        await self._connection.execute(
            statement("bound_idle_transaction"), str(round(longest.total_seconds() * 1000))
        )

    async def end_once(self, begun: Begun, result: bytes | None) -> bool:
        """The attempt has succeeded, if its transaction is committed; False if it is not the newest."""
        ended = await self._connection.fetchval(
            statement("end_once"), begun.job_id, begun.fence, begun.worker, result
        )
        return ended is not None

    async def decide_once(self, job_id: str) -> Standing | None:
        """What is known of a job, once no transaction is ending it; None if it is unknown."""
        row = await self._connection.fetchrow(statement("decide_once"), job_id)
        return None if row is None else _standing(row)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(row["fence"], row["worker"], row["state"], row["result"], row["failure"])
