"""Writes down in PostgreSQL which cron jobs this worker has, and what came of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.database import Database

from ..outage import Outage
from .cron import Cron

#: So that a schedule which is due once a year is not forgotten.
_EVERY_SECONDS = 3600.0


class Schedules:
    """Looks at `Cron`, which knows nothing of it: cron waits for no database."""

    def __init__(self, database: Database, cron: Cron, *, worker_id: str) -> None:
        self._database = database
        self._cron = cron
        self._worker_id = worker_id
        self._outage = Outage("schedules")

    async def run(self) -> None:
        """Write after each change, and now and then, until cancelled."""
        changed = self._cron.changed
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY_SECONDS):
                    await changed.wait()
            changed.clear()
            try:
                await self.write()
            except StoreError as error:
                changed.set()
                await self._outage.wait(error)
            else:
                self._outage.over()

    async def write(self) -> None:
        """Write all of them, as they are now."""
        if schedules := self._cron.schedules():
            await self._database.transact(lambda unit: unit.schedules.put(schedules, self._worker_id))
