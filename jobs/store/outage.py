"""Waiting out a store that does not answer."""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

import structlog

log = structlog.get_logger("monarq.store")

_FIRST_WAIT = 0.05
#: Short, so that work goes on soon after the store is back; jittered, so that a fleet does not knock all at
#: once.
_LONGEST_WAIT = 2.0
#: One line per outage, and one more each time that it has lasted this much longer.
_LOG_EVERY = 30.0


class Outage:
    """One service's view of a store: how long to wait between tries, and what to log about it."""

    #: What the names of its log lines begin with.
    room = "store"

    def __init__(self, service: str, random: Random | None = None) -> None:
        self._service = service
        self._random = random or Random()
        self._failures = 0
        #: Tries that have failed, in all.
        self.failed = 0
        self._began = 0.0
        self._logged = 0.0

    async def wait(self, error: Exception) -> None:
        """Note a failed try, and wait before the next."""
        await asyncio.sleep(self.note(error))

    def note(self, error: Exception) -> float:
        """Note a failed try; the seconds to wait before the next."""
        now = time.monotonic()
        if self._failures == 0:
            self._began, self._logged = now, now - _LOG_EVERY
        self._failures += 1
        self.failed += 1
        if now - self._logged >= _LOG_EVERY:
            self._logged = now
            self._log("store_unavailable", error=str(error), seconds=round(now - self._began, 1))
        ceiling = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(self._failures, 10))
        return self._random.uniform(ceiling / 2, ceiling)

    def over(self) -> None:
        """Note a try that succeeded."""
        if self._failures:
            self._log("store_is_back", seconds=round(time.monotonic() - self._began, 1), tries=self._failures)
            self._failures = 0

    def _log(self, event: str, **facts: Any) -> None:
        log.warning(f"{self.room}.{event}", service=self._service, **facts)
