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


class Epochs:
    """Looks every two seconds.  Any worker may restore; one at a time does."""

    def __init__(self, watch: LossWatch, reconciler: Reconciler, random: Random | None = None) -> None:
        self._watch = watch
        self._reconciler = reconciler
        self._random = random or Random()
        self._outage = Outage("epochs")
        self._asked: str | None = None

    def ask(self, why: str) -> None:
        """Let the next look restore what is missing, whatever it sees: somebody knows more."""
        self._asked = why

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
        why = await self._watch.look() or self._asked
        if why is None:
            return
        log.warning("worker.redis_lost_jobs", why=why)
        restored = await self._reconciler.restore(take_over=False)
        if restored is None:  # another worker is at it
            return
        self._asked = None
        log.warning(
            "worker.redis_restored",
            open=restored.open,
            restored=restored.restored,
            renumbered=restored.renumbered,
        )
