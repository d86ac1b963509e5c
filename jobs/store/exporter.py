"""Tells the gauges of the whole fleet, if this process is the one that does (docs/adr/0023).

All of it happens in a thread of its own with a connection of its own: neither does a blocked event loop
silence it, nor does a large fleet keep that loop from its work.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from secrets import token_hex
from typing import TYPE_CHECKING

import structlog

from ..errors import StoreError, StoreFull
from ..settings import Settings
from ..side_loop import SideLoop
from .address import Address
from .census import Census, CensusTaker
from .connection import Link
from .election import give_up_lease, holds_lease
from .heartbeats import Heartbeats
from .shared_reading import Reading

if TYPE_CHECKING:
    from ..metrics import Metric

log = structlog.get_logger("monarq.exporter")

#: Seconds for the lease, for all of it, and for the end.
_LEASE_WITHIN = 1.0
_PATIENCE = 5.0
_CLOSE_WITHIN = 1.0


class Exporter:
    """One per process that is scraped.  Nothing is connected, nor imported, before the first scrape."""

    def __init__(self, address: Address, settings: Settings) -> None:
        self._settings = settings
        self._process = f"{socket.gethostname()}:{os.getpid()}:{token_hex(3)}"
        self._side = SideLoop("monarq-exporter")
        self._link = Link(address)
        self._heartbeats = Heartbeats(self._link)
        self._census: CensusTaker | None = None
        self._is_elected = False

    def collect(self) -> Iterator[Metric]:
        """The gauges; none if another process tells them, or as long as Redis has never answered."""
        try:
            seen = self._side.run(self._look, _PATIENCE)
            told = [] if seen is None else _told(seen, self._settings)
        except (StoreError, TimeoutError) as error:
            log.debug("exporter.nothing_to_tell", error=str(error))
        except Exception:  # what the process tells of itself must not be lost with it
            log.exception("exporter.failed")
        else:
            yield from told

    def close(self) -> None:
        """Look no more."""
        self._side.stop(self._close, _CLOSE_WITHIN)

    # --- the side loop

    async def _look(self) -> Reading[Census] | None:
        if self._census is None:
            self._census = CensusTaker(self._link, self._settings)
        if not await self._leads():
            return None
        seen = await self._census.shared.get()
        if self._settings.heartbeat_jobs and seen.failure is None:
            await self._beat(seen.value)
        return seen

    async def _leads(self) -> bool:
        try:
            async with asyncio.timeout(_LEASE_WITHIN):
                self._is_elected = await holds_lease(self._link, self._process)
        except StoreFull:
            self._is_elected = True  # several tell the same then: better than nobody
        except (StoreError, TimeoutError):
            # who has told goes on, with what was seen last: its time says how old that is
            pass
        return self._is_elected

    async def _beat(self, census: Census) -> None:
        try:
            await self._heartbeats.send(census.fleet, census.heartbeats)
        except StoreError as error:  # a full Redis takes none: then they are late, and that is true
            log.debug("exporter.no_heartbeat", error=str(error))

    async def _close(self) -> None:
        if self._is_elected:
            with suppress(StoreError):
                await give_up_lease(self._link, self._process)
        if self._census is not None:
            await self._census.close()
        await self._link.close()


def _told(seen: Reading[Census], settings: Settings) -> list[Metric]:
    from .fleet_metrics import fleet_metrics

    return [*fleet_metrics(seen, settings)]
