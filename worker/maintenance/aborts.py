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

EVERY_SECONDS = 300.0
_LOOKED_AT = 100


class Aborts:
    """Prunes `arq:abort`, and the notes of who asked."""

    def __init__(self, link: Transport, queues: Iterable[QueueKeys]) -> None:
        self._link = link
        self._queues = list(queues)
        self._outage = Outage("aborts")

    async def run(self) -> None:
        """Prune now and then, until cancelled."""
        while True:
            try:
                for key in sorted({queue.abort for queue in self._queues}):
                    await self.prune(key)
                for queue in self._queues:
                    await self.prune_notes(queue.cancels)
            except StoreError as error:
                self._outage.note(error)
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self, key: str) -> int:
        """Drop the oldest requests whose job is gone; how many."""
        ids = await self._link.call("ZRANGE", key, 0, _LOOKED_AT - 1)
        stale = await self._stale(ids)
        return await self._link.call("ZREM", key, *stale) if stale else 0

    async def prune_notes(self, key: str) -> int:
        """Drop notes whose job is gone, of some that lie there: arq's own workers leave them; how many."""
        found = await self._link.call("HRANDFIELD", key, _LOOKED_AT)
        stale = await self._stale(found)
        return await self._link.call("HDEL", key, *stale) if stale else 0

    async def _stale(self, ids: list[bytes]) -> list[bytes]:
        return [job_id for job_id in ids if not await self._link.call("EXISTS", JOB.encode() + job_id)]
