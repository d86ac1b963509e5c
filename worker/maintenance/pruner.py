"""Drops dead letters that are too old or too many, and says so.

Dead letters are the one thing that grows while nobody looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.letter_verbs import discard
from monarq.jobs.store.verbs import BATCH, milliseconds

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

EVERY_SECONDS = 300.0
#: Between two batches, so that the first look at a full server does not keep jobs waiting.
_BREATH_SECONDS = 0.01


def limit_of(settings: Settings) -> int:
    """How many letters Redis keeps per queue: where they move to PostgreSQL, as many as there are."""
    return 0 if settings.database_url is not None else settings.dead_limit


class Pruner:
    """Keeps the dead letters of the worker's queues within their bounds.

    Args:
        keep: For how long; zero for ever.
        limit: How many per queue; 0 for as many as there are.
    """

    def __init__(self, link: Transport, queues: Iterable[QueueKeys], *, keep: timedelta, limit: int) -> None:
        self._link = link
        self._queues = list(queues)
        self._keep = keep
        self._limit = limit
        self._outage = Outage("pruner")

    async def run(self) -> None:
        """Prune now and then, until cancelled."""
        while True:
            try:
                for queue in self._queues:
                    await self.prune(queue)
            except StoreError as error:
                self._outage.note(error)
            else:
                self._outage.over()
            await asyncio.sleep(EVERY_SECONDS)

    async def prune(self, queue: QueueKeys) -> tuple[int, int]:
        """Drop what is too old, then what is too much; how many of each."""
        too_old = await self._drop_old(queue) if self._keep else 0
        too_many = await self._drop_excess(queue) if self._limit else 0
        if too_old or too_many:
            log.warning(
                "worker.dead_letters_pruned",
                queue=queue.name,
                too_old=too_old,
                too_many=too_many,
                keep_s=self._keep.total_seconds(),
                limit=self._limit,
            )
        return too_old, too_many

    async def _drop_old(self, queue: QueueKeys) -> int:
        seconds, microseconds = await self._link.call("TIME")
        oldest_ms = int(seconds) * 1000 + int(microseconds) // 1000 - milliseconds(self._keep)
        dropped = 0
        while found := await self._oldest(queue, "-inf", f"({oldest_ms}", "BYSCORE", "LIMIT", 0, BATCH):
            dropped += await self._drop(queue, found, keep=0)
        return dropped

    async def _drop_excess(self, queue: QueueKeys) -> int:
        dropped = 0
        while (excess := await self._link.call("ZCARD", queue.dead) - self._limit) > 0:
            found = await self._oldest(queue, 0, min(excess, BATCH) - 1)
            # with the limit, since another worker may be pruning the same queue
            dropped += await self._drop(queue, found, keep=self._limit)
        return dropped

    async def _oldest(self, queue: QueueKeys, *which: Any) -> Sequence[bytes]:
        found: Sequence[bytes] = await self._link.call("ZRANGE", queue.dead, *which, "WITHSCORES")
        return found

    async def _drop(self, queue: QueueKeys, found: Sequence[bytes], *, keep: int) -> int:
        died: dict[Any, Any] = dict(zip(found[::2], found[1::2], strict=True))
        flags = await execute(self._link, discard(queue, died, died_ms=died, counter="pruned", keep=keep))
        await asyncio.sleep(_BREATH_SECONDS)
        return sum(flags)
