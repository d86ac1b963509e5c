"""The schedules that the workers have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ...schedule import SCHEDULE_COLUMNS, Schedule, SeenSchedule
from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


class ScheduleRepository:
    """Reads and writes `monarq.schedules`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, schedules: Sequence[Schedule], worker: str) -> None:
        """A worker has these.  What it does not know of their past is left as it is."""
        columns = [[getattr(one, name) for one in schedules] for name in SCHEDULE_COLUMNS]
        await self._connection.execute(statement("put_schedules"), *columns, worker)

    async def list(self) -> Sequence[SeenSchedule]:
        """All of them, by queue and name."""
        return [SeenSchedule(**row) for row in await self._connection.fetch(statement("list_schedules"))]

    async def forget(self, keep: timedelta) -> int:
        """Delete those that no worker has had for so long; how many."""
        deleted = await self._connection.execute(statement("forget_schedules"), keep)
        return int(deleted.rpartition(" ")[2])
