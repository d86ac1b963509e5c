"""Moves dead letters of the worker's queues to PostgreSQL, and drops there those that are too old."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from datetime import timedelta

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres.archive import Archive

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

#: On average; a fleet must not come all at once.
EVERY_SECONDS = 5.0
PRUNE_EVERY_SECONDS = 60.0
#: A letter stays in Redis so long: who waits for the job's end, or watches a replay, reads it there.
GRACE = timedelta(seconds=10)


class Archiver:
    """Keeps the dead letters where there is room for them.

    Args:
        keep: For how long; zero for ever.
    """

    def __init__(
        self, archive: Archive, queues: Iterable[QueueKeys], *, keep: timedelta, grace: timedelta = GRACE
    ) -> None:
        self._archive = archive
        self._queues = list(queues)
        self._keep = keep
        self._grace = grace
        self._pruned_at = float("-inf")
        self._outage = Outage("archiver")

    async def run(self) -> None:
        """Move and drop letters now and then, until cancelled."""
        while True:
            try:
                await self.move()
                await self._prune_now_and_then()
            except StoreError as error:
                self._outage.note(error)
            else:
                self._outage.over()
            await asyncio.sleep(EVERY_SECONDS * random.uniform(0.5, 1.5))

    async def move(self) -> int:
        """Finish what others have begun, then move the letters that are there; how many."""
        await self._archive.tidy(self._queues)
        moved = 0
        for queue in self._queues:
            moved += await self._archive.move_all(queue, older_than=self._grace)
        return moved

    async def prune(self) -> int:
        """Drop the letters that are too old; how many."""
        dropped = 0
        for queue in self._queues if self._keep else ():
            if too_old := await self._archive.prune(queue, self._keep):
                dropped += too_old
                log.warning(
                    "worker.dead_letters_pruned",
                    queue=queue.name,
                    too_old=too_old,
                    too_many=0,
                    keep_s=self._keep.total_seconds(),
                    limit=0,
                )
        return dropped

    async def _prune_now_and_then(self) -> None:
        if time.monotonic() - self._pruned_at >= PRUNE_EVERY_SECONDS:
            await self.prune()
            self._pruned_at = time.monotonic()
