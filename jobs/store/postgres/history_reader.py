"""The history, read: page by page, counted, and one job with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from ..finished_job import FinishedJob, JobStory
from ..job_filter import JobFilter, Sort
from .cursor import Position, decode, encode
from .database import Database
from .repositories.finished_jobs import FinishedJobs
from .search import count_query, looks_inside, nearby_query, page_query, position_of
from .unit_of_work import Connection

#: Counting goes no further: no more is needed to see that there are many.
COUNTED_UP_TO = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the jobs of a search."""

    jobs: list[FinishedJob]
    #: For the next page; None if this is the last.
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs a search has."""

    number: int
    #: There are more than `number`.
    is_capped: bool

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.is_capped else ''}"


class HistoryReader:
    """Reads jobs that have ended; by the replica, if there is one.

    Args:
        patience: How long a search may take; None: as long as any statement.
    """

    def __init__(self, database: Database, patience: timedelta | None = None) -> None:
        self._database = database
        self._patience = patience

    async def page(
        self, wanted: JobFilter, sort: Sort = Sort.NEWEST, *, after: str | None = None, limit: int = 50
    ) -> Page:
        """The first jobs of a search, or those after a cursor.

        Jobs that end while somebody turns pages neither move others to another page nor show them twice.

        Raises:
            DefinitionError: The cursor is none, or of another search.
            DatabaseUnavailable: PostgreSQL did not answer.
        """
        position = None if after is None else decode(after, wanted, sort)
        found = await self.find(wanted, sort, position, limit + 1)
        if len(found) <= limit:
            return Page(found, None)
        del found[limit:]
        return Page(found, encode(position_of(found[-1], sort), wanted, sort))

    async def find(
        self, wanted: JobFilter, sort: Sort, after: Position | None, limit: int
    ) -> list[FinishedJob]:
        """The first jobs of a search, or those after a position.

        Raises:
            DatabaseUnavailable: PostgreSQL did not answer, or not in time.
        """
        return await self._database.read(partial(self._find, wanted, sort, after, limit))

    async def count(self, wanted: JobFilter, at_most: int = COUNTED_UP_TO) -> Count:
        """How many jobs a search has: exact up to `at_most`.

        Raises:
            DatabaseUnavailable: PostgreSQL did not answer.
        """
        query = count_query(wanted, at_most + 1)
        number = await self._database.read(
            lambda connection: FinishedJobs(connection, self._patience).count(query)
        )
        return Count(min(number, at_most), number > at_most)

    async def stories(self, job_id: str) -> list[JobStory]:
        """All ends of a job with what is known of each, the newest first; none if it has not ended.

        Raises:
            DatabaseUnavailable: PostgreSQL did not answer.
        """
        return await self._database.read(lambda connection: FinishedJobs(connection).stories(job_id))

    async def _find(
        self, wanted: JobFilter, sort: Sort, after: Position | None, limit: int, connection: Connection
    ) -> list[FinishedJob]:
        jobs = FinishedJobs(connection, self._patience)
        if looks_inside(wanted):
            # what is common is nearby, and what is rare is found by its index: PostgreSQL's own guess of
            # which it is can be wrong by much
            found = await jobs.select(nearby_query(wanted, sort, after, limit))
            if len(found) == limit:
                return found
        return await jobs.select(page_query(wanted, sort, after, limit))
