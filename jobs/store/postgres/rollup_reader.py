"""The history in numbers, read; by the replica, if there is one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from ..tally import Tally
from .database import Database
from .query import Query
from .rollup_search import RollupFilter, by_name, by_time, pairs_query
from .statements import statement
from .unit_of_work import Connection

T = TypeVar("T")

#: A person waits for it.
_PATIENCE_MS = 2_000
#: Pairs of queue and kind that are told apart.
MOST_PAIRS = 5_000


class RollupReader:
    """Reads `monarq.rollups`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def looked_at(self) -> datetime | None:
        """When it was rolled up last; None if it never was.

        Raises:
            DatabaseUnavailable: PostgreSQL did not answer, here and below.
        """
        found: datetime | None = await self._look(lambda it: it.fetchval(statement("rolled_up_at")))
        return found

    async def pairs(self, wanted: RollupFilter) -> Sequence[tuple[str, str]]:
        """Which queues and kinds there are, pair by pair."""
        rows = await self._fetch(pairs_query(wanted, MOST_PAIRS))
        return [(row["queue"], row["kind"]) for row in rows]

    async def by_time(self, wanted: RollupFilter, step: timedelta) -> dict[datetime, Tally]:
        """Per step of time, the first first; steps in which nothing ended are left out."""
        return await self._tallies(by_time(wanted, step))

    async def by_kind(self, wanted: RollupFilter) -> dict[str, Tally]:
        """Per kind."""
        return await self._tallies(by_name(wanted, "kind"))

    async def by_queue(self, wanted: RollupFilter) -> dict[str, Tally]:
        """Per queue."""
        return await self._tallies(by_name(wanted, "queue"))

    async def _tallies(self, query: Query) -> dict[Any, Tally]:
        return {row["key"]: _tally(row) for row in await self._fetch(query)}

    async def _fetch(self, query: Query) -> Sequence[Any]:
        found: Sequence[Any] = await self._look(lambda it: it.fetch(query.sql, *query.parameters))
        return found

    async def _look(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        async def look(connection: Connection) -> T:
            async with connection.transaction(readonly=True):
                await connection.execute(statement("bound_look"), str(_PATIENCE_MS))
                return await ask(connection)

        return await self._database.read(look)


def _tally(row: Any) -> Tally:
    return Tally(**{name: value for name, value in row.items() if name != "key"})
