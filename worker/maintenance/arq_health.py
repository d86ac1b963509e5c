"""Keeps arq's health-check key, for probes that were written for `arq --check`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport

from ..outage import Outage

#: Seconds.  Who is told to stop waits for it.
_FORGET_WITHIN = 1.0


class ArqHealth:
    """Writes one line of counters under a key that outlives the interval by a second, as arq does."""

    def __init__(self, link: Transport, key: str, interval: float, counters: Callable[[], str]) -> None:
        self._link = link
        self._key = key
        self._interval = interval
        self._counters = counters
        self._outage = Outage("arq health")

    async def run(self) -> None:
        """Write now and then, until cancelled."""
        while True:
            line = f"{datetime.now().astimezone():%b-%d %H:%M:%S} {self._counters()}"
            try:
                await self._link.call("SET", self._key, line, "PX", round((self._interval + 1) * 1000))
            except StoreError as error:
                self._outage.note(error)
            await asyncio.sleep(self._interval)

    async def forget(self) -> None:
        """Take the key back, if Redis answers: it goes by itself, too."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_FORGET_WITHIN):
                await self._link.call("DEL", self._key)
