"""The metrics of this dashboard and, if it is the one that tells them, those of the whole fleet."""

from __future__ import annotations

import asyncio

from monarq.jobs.metrics import render
from monarq.producer.metrics import EnqueueCollector

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..metrics import DashboardCollector
from .ground import Ground


class MetricsService:
    """Makes the text of a scrape."""

    def __init__(self, on: Ground, guard: Guard) -> None:
        self._guard = guard
        dashboard = DashboardCollector(on.meters, on.streams, on.audit.actions)
        self._collectors = (dashboard, EnqueueCollector(on.producer), on.exporter)

    async def scrape(self, caller: Caller, accept: str) -> tuple[bytes, str]:
        """The text and its media type.

        Raises:
            NotPermitted: The caller may not see them, or not those of all queues.
        """
        await self._guard.require(caller, Permission.METRICS_READ)
        return await asyncio.to_thread(self.text, accept)

    def text(self, accept: str) -> tuple[bytes, str]:
        """The same for whoever is let in otherwise; not for the event loop."""
        return render(self._collectors, accept)
