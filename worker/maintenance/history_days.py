"""Makes room in the history for the days to come, and forgets those that are too old."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.unit_of_work import UnitOfWork

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

EVERY_SECONDS = 3600.0
#: Enough for a long weekend without a worker; one that finds no room makes it.
DAYS_AHEAD = 3


class HistoryDays:
    """Keeps the partitions of the history.

    Args:
        keep: How long days are kept; zero for ever.
    """

    def __init__(self, database: Database, *, keep: timedelta) -> None:
        self._database = database
        self._keep = keep
        self._outage = Outage("history days")

    async def run(self) -> None:
        """Look at them now and then, until cancelled."""
        while True:
            try:
                await self.tend()
            except StoreError as error:
                await self._outage.wait(error)
            else:
                self._outage.over()
                await asyncio.sleep(EVERY_SECONDS)

    async def tend(self) -> tuple[int, int]:
        """Make the days that are missing, then drop the old ones; how many of each."""
        made = await self._database.transact(_make)
        dropped = await self._database.transact(self._drop) if self._keep else 0
        if made or dropped:
            log.info("worker.history_days", made=made, dropped=dropped)
        return made, dropped

    async def _drop(self, unit: UnitOfWork) -> int:
        return await unit.jobs.drop_old(self._keep)


async def _make(unit: UnitOfWork) -> int:
    return await unit.jobs.make_ahead(DAYS_AHEAD)
