"""Forgets requests to cancel jobs that no longer exist.

arq never does: its clean-up removes only requests of the future.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import JOB, QueueKeys

from ..outage import Outage

EVERY_SECONDS = 60.0
_LOOKED_AT = 100


class Aborts:
    """Prunes `arq:abort`."""

    def __init__(self, link: Transport, queues: Iterable[QueueKeys]) -> None:
        self._link = link
        self._keys = sorted({queue.abort for queue in queues})
        self._outage = Outage("aborts")

    async def run(self) -> None:
        """Prune now and then, until cancelled."""
        while True:
            try:
                for key in self._keys:
                    await self.prune(key)
            except StoreError as error:
                self._outage.note(error)
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self, key: str) -> int:
        """Drop the oldest requests whose job is gone; how many."""
        ids = await self._link.call("ZRANGE", key, 0, _LOOKED_AT - 1)
        stale = [job_id for job_id in ids if not await self._link.call("EXISTS", JOB.encode() + job_id)]
        return await self._link.call("ZREM", key, *stale) if stale else 0
