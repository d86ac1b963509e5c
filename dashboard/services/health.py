"""Is what the dashboard stands on there?"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from monarq.jobs.probes import look_at
from monarq.jobs.store.execute import Transport

from ..directory.directory import Directory

#: Seconds: anybody may ask, so that an answer serves all for so long.
_FRESH = 1.0


class HealthService:
    """Asks the stores.

    Args:
        directory: That in PostgreSQL, if there is one.
    """

    def __init__(self, transport: Transport, directory: Directory | None) -> None:
        self._transport = transport
        self._directory = directory
        self._asking = asyncio.Lock()
        self._found: Mapping[str, str] = {}
        self._fresh_until = 0.0
        #: All of them have answered once.
        self.has_started = False

    async def checks(self) -> Mapping[str, str]:
        """`ok` for each store that answers, else a code and no more: anybody may ask."""
        async with self._asking:
            if time.monotonic() >= self._fresh_until:
                self._found = await self._ask()
                self._fresh_until = time.monotonic() + _FRESH
                self.has_started = self.has_started or all(found == "ok" for found in self._found.values())
            return self._found

    async def _ask(self) -> Mapping[str, str]:
        ping = self._transport.call("PING")
        if self._directory is None:
            return await look_at(redis=ping)
        return await look_at(redis=ping, postgres=self._directory.users(after="", limit=1))
