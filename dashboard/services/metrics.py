"""The metrics of this dashboard and, if it is the one that tells them, those of the whole fleet."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from .ground import Ground

if TYPE_CHECKING:
    from monarq.jobs.metrics import Collector


class MetricsService:
    """Makes the text of a scrape.  A dashboard that nobody scrapes imports nothing for it."""

    def __init__(self, on: Ground, guard: Guard) -> None:
        self._on = on
        self._guard = guard
        self._lock = threading.Lock()
        self._collectors: tuple[Collector, ...] = ()

    async def scrape(self, caller: Caller, accept: str) -> tuple[bytes, str]:
        """The text and its media type.

        Raises:
            NotPermitted: The caller may not see them, or not those of all queues.
        """
        await self._guard.require(caller, Permission.METRICS_READ)
        return await asyncio.to_thread(self.text, accept)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The same for whoever is let in otherwise; not for the event loop."""
        from monarq.jobs.metrics import render

        with self._lock:
            self._collectors = self._collectors or self._begin()
        return render(self._collectors, accept)

    def _begin(self) -> tuple[Collector, ...]:
        from monarq.producer.metrics import EnqueueCollector

        from ..metrics import DashboardCollector

        on = self._on
        dashboard = DashboardCollector(on.meters, on.streams, on.audit.actions)
        return dashboard, EnqueueCollector(on.producer), on.exporter
