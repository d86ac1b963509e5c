"""Notes every queue's numbers each minute, for the charts of the last day.

One worker of all does it, whichever comes first.
"""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.store.clock import server_ms
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.queues import known_queues
from monarq.jobs.store.series import MINUTE_MS, sample, take_turn

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

#: Queues whose numbers are kept: a day of one is some 90 KB of Redis' memory.
MOST_QUEUES = 200
#: Samples until the server's clock is looked at again: an idle fleet asks for little.
_SAMPLES_PER_LOOK = 60
#: Seconds over which a fleet spreads its looks.
_SPREAD = 1.0


class Sampler:
    """Takes the samples of all queues, those of others too: nobody may work on some of them."""

    def __init__(self, link: Transport, *, tagged: bool) -> None:
        self._link = link
        self._tagged = tagged
        self._outage = Outage("sampler")
        self._has_told = False

    async def run(self) -> None:
        """Sample as each minute of the server's clock begins, until cancelled."""
        while True:
            try:
                ahead_ms = await server_ms(self._link) - time.monotonic() * 1000
                for _ in range(_SAMPLES_PER_LOOK):
                    now_ms = round(time.monotonic() * 1000 + ahead_ms)
                    minute_ms = (now_ms // MINUTE_MS + 1) * MINUTE_MS
                    await asyncio.sleep((minute_ms - now_ms) / 1000 + random.uniform(0, _SPREAD))
                    await self.sample(minute_ms)
            except StoreError as error:
                await self._outage.wait(error)
            else:
                self._outage.over()

    async def sample(self, minute_ms: int) -> bool:
        """Take this minute's samples, unless another worker does; whether it was this one."""
        if not await take_turn(self._link):
            return False
        queues = await known_queues(self._link, tagged=self._tagged)
        if len(queues) > MOST_QUEUES and not self._has_told:
            self._has_told = True
            log.warning("worker.queues_not_sampled", queues=len(queues), sampled=MOST_QUEUES)
        await sample(self._link, queues[:MOST_QUEUES], minute_ms)
        return True
