"""The history in numbers, as it is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


class Progress(NamedTuple):
    """How far the history is rolled up, by PostgreSQL's clock."""

    #: All that ended before is counted; None if nothing is.
    counted_until: datetime | None
    #: When somebody rolled up last.
    looked_at: datetime | None
    now: datetime
    #: When the first job ended that may not be counted; None if there is none.
    next_end: datetime | None


class Rollups:
    """Writes `monarq.rollups`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take_turn(self) -> bool:
        """Whether nobody else rolls up; until the unit ends, nobody else will."""
        return bool(await self._connection.fetchval(statement("take_rollup_turn")))

    async def progress(self) -> Progress:
        """How far it has come."""
        return Progress(**await self._connection.fetchrow(statement("rollup_progress")))

    async def note_progress(self, counted_until: datetime) -> None:
        """It has come so far."""
        await self._connection.execute(statement("note_rollup_progress"), counted_until)

    async def count(self, minutes: int, spans: Sequence[datetime]) -> None:
        """Count the jobs that ended in some spans of so many minutes."""
        if spans:
            await self._connection.execute(statement("roll_up"), minutes, spans)

    async def add_up(self, hours: Sequence[datetime]) -> None:
        """Make hours of spans of five minutes."""
        if hours:
            await self._connection.execute(statement("roll_up_hours"), hours)

    async def drop(self, minutes: int, before: datetime) -> int:
        """Forget spans of so many minutes that began before; how many rows."""
        deleted = await self._connection.execute(statement("drop_rollups"), minutes, before)
        return int(deleted.rpartition(" ")[2])

    async def add_late(self, spans: Iterable[datetime]) -> None:
        """Jobs are added to spans that may have been counted."""
        await self._connection.execute(statement("add_late_ends"), sorted(spans))

    async def take_late(self, limit: int) -> list[datetime]:
        """Some spans that are to be counted once more, which is the caller's to do in this unit."""
        rows = await self._connection.fetch(statement("take_late_ends"), limit)
        return [row["began_at"] for row in rows]
