"""Writes down when a job of each cron kind has succeeded last, for those who watch schedules."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from contextlib import suppress

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import CRON_SUCCESSES
from monarq.jobs.store.last_times import write_times

from ..outage import Outage
from ..run import now_ms

#: For what is left when the worker ends.
_LAST_SECONDS = 1.0


class CronSuccesses:
    """Told of successes by the batch; writes those of cron kinds, as seldom as they come."""

    def __init__(self, link: Transport, kinds: AbstractSet[str]) -> None:
        self._link = link
        self._kinds = kinds
        self._fresh: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._outage = Outage("cron successes")

    def note(self, kind: str) -> None:
        """A job of this kind has succeeded just now."""
        if kind in self._kinds:
            self._fresh[kind] = now_ms()
            self._changed.set()

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._write()
            except StoreError as error:
                self._changed.set()
                await self._outage.wait(error)
            else:
                self._outage.over()

    async def close(self) -> None:
        """Write what is left, if Redis answers: the next success of a monthly job is far away."""
        with suppress(StoreError, TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._write()

    async def _write(self) -> None:
        fresh, self._fresh = self._fresh, {}
        try:
            if fresh:
                await write_times(self._link, CRON_SUCCESSES, fresh)
        except BaseException:
            self._fresh = fresh | self._fresh
            raise
