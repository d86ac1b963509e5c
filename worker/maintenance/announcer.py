"""Enters the worker's queues into the list of those that exist: arq's own producers do not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.queues import announce

from ..outage import Outage

#: The list may be lost with the server's data.
EVERY_SECONDS = 60.0


class Announcer:
    """Keeps the worker's queues in the list."""

    def __init__(self, link: Transport, queues: Iterable[QueueKeys]) -> None:
        self._link = link
        self._queues = list(queues)
        self._outage = Outage("announcer")

    async def run(self) -> None:
        """Enter them now and then, until cancelled."""
        while True:
            try:
                await announce(self._link, self._queues)
            except StoreError as error:
                self._outage.note(error)
            await asyncio.sleep(EVERY_SECONDS)
