"""Sees that Redis has lost durable jobs, or went back, and restores them from PostgreSQL."""

from __future__ import annotations

import asyncio
from random import Random

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.postgres.loss_watch import LossWatch
from monarq.jobs.store.postgres.reconciling import Reconciler

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

EVERY_SECONDS = 2.0
_BEHIND = "PostgreSQL knows of later attempts than Redis"


class Epochs:
    """Looks every two seconds.  Any worker may restore; one at a time does.

    Args:
        is_behind: Set by whoever has met a job of which Redis has forgotten attempts.
    """

    def __init__(self, watch: LossWatch, reconciler: Reconciler, is_behind: asyncio.Event) -> None:
        self._watch = watch
        self._reconciler = reconciler
        self._is_behind = is_behind
        self._random = Random()
        self._outage = Outage("epochs")

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            wait = EVERY_SECONDS * self._random.uniform(0.75, 1.25)  # a fleet does not look all at once
            try:
                await self.look()
            except StoreError as error:
                wait = self._outage.note(error)
            else:
                self._outage.over()
            await asyncio.sleep(wait)

    async def look(self) -> None:
        """Look once, and restore what is missing if there is a reason to.

        Raises:
            StoreUnavailable: Redis or PostgreSQL did not answer.
        """
        why = await self._watch.look() or (_BEHIND if self._is_behind.is_set() else None)
        if why is None:
            return
        log.info("worker.reconciling", why=why)
        self._is_behind.clear()  # what is met from now on is left to the next look
        restored = await self._reconciler.restore(take_over=False)
        if restored is None:  # another worker is at it
            return
        tell = log.warning if restored.restored or restored.renumbered else log.info
        tell(
            "worker.reconciled",
            why=why,
            open=restored.open,
            restored=restored.restored,
            renumbered=restored.renumbered,
        )
