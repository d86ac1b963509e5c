"""Tells PostgreSQL of the ends that Redis kept while it was away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.kept_ends import count, drain

from ..ledger import Ledger
from ..outage import Outage

#: Seconds between two looks, give or take a half.
_EVERY = 2.0


class KeptEnds:
    """Looks for kept ends, and tells the ledger how many there are."""

    def __init__(
        self, link: Transport, database: Database, queues: Iterable[QueueKeys], ledger: Ledger
    ) -> None:
        self._link = link
        self._database = database
        self._queues = list(queues)
        self._ledger = ledger
        self._random = Random()
        self._outage = Outage("kept ends")

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            try:
                await self.look()
            except StoreError as error:
                self._outage.note(error)
            else:
                self._outage.over()
            await asyncio.sleep(self._random.uniform(_EVERY / 2, _EVERY * 1.5))

    async def look(self) -> int:
        """Tell PostgreSQL of all that are kept; how many."""
        kept = [await count(self._link, queue) for queue in self._queues]
        self._ledger.kept = sum(kept)
        told = 0
        for queue, many in zip(self._queues, kept, strict=True):
            told += await drain(self._link, self._database, queue) if many else 0
        self._ledger.kept = 0
        return told
