"""Rolls the history up into numbers, for the charts.  One worker at a time does it, whichever comes first."""

from __future__ import annotations

import asyncio
from random import Random

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.rolling import Roller

from ..outage import Outage

#: Seconds between two looks, give or take a half: every worker looks.
_EVERY = 60.0
#: Between two steps of one that has much to catch up with, so that others come to their turn at PostgreSQL.
_BREATH = 0.05


class Rollups:
    """Keeps the roll-ups up to date."""

    def __init__(self, roller: Roller) -> None:
        self._roller = roller
        self._random = Random()
        self._outage = Outage("roll-ups")

    async def run(self) -> None:
        """Roll up now and then, until cancelled."""
        while True:
            wait = _EVERY * self._random.uniform(0.5, 1.5)
            try:
                await self.catch_up()
            except StoreError as error:
                wait = self._outage.note(error)
            else:
                self._outage.over()
            await asyncio.sleep(wait)

    async def catch_up(self) -> bool:
        """Roll up all that there is; False if another worker does."""
        while (turn := await self._roller.step()) is not None:
            if turn.is_done:
                return True
            await asyncio.sleep(_BREATH)
        return False
