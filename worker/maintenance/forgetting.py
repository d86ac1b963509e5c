"""Deletes durable jobs that ended long ago, schedules that nobody has any more, and old acts of the audit."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.database import Database

from ..outage import Outage

#: Seconds between two looks, give or take a half: every worker looks.
_EVERY = 600.0
_BATCH = 1_000
#: How long a schedule is kept that no worker has.
_KEEP_SCHEDULES = timedelta(days=7)


class Forgetting:
    """Keeps the tables of durable jobs, of schedules and of the audit small.

    Args:
        keep: For how long an ended job is kept.
        dead_keep: The same for a dead one, which somebody may replay; zero for ever.
        audit_keep: The same for what was changed by hand; zero for ever.
    """

    def __init__(
        self,
        database: Database,
        *,
        keep: timedelta,
        dead_keep: timedelta,
        audit_keep: timedelta = timedelta(0),
    ) -> None:
        self._database = database
        self._keep = keep
        self._dead_keep = dead_keep or None
        self._audit_keep = audit_keep
        self._random = Random()
        self._outage = Outage("forgetting")

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(self._random.uniform(_EVERY / 2, _EVERY * 1.5))
            try:
                await self.forget()
                await self.forget_schedules()
                await self.forget_audit()
            except StoreError as error:
                self._outage.note(error)
            else:
                self._outage.over()

    async def forget(self) -> int:
        """Delete what is old enough, in small transactions; how many jobs."""
        forgotten = 0
        while True:
            deleted = await self._database.transact(
                lambda unit: unit.durable_jobs.forget(self._keep, self._dead_keep, _BATCH)
            )
            forgotten += deleted
            if deleted < _BATCH:
                return forgotten

    async def forget_schedules(self) -> int:
        """Delete those that no worker has had for a week; how many."""
        return await self._database.transact(lambda unit: unit.schedules.forget(_KEEP_SCHEDULES))

    async def forget_audit(self) -> int:
        """Delete what is old enough, in small transactions; how many acts."""
        forgotten = 0
        while self._audit_keep:
            deleted = await self._database.transact(lambda unit: unit.audit.forget(self._audit_keep, _BATCH))
            forgotten += deleted
            if deleted < _BATCH:
                break
        return forgotten
