"""Brings the events of other processes into this one: one subscription, while somebody here wants them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import structlog

from monarq.jobs.events import Event, EventType
from monarq.jobs.store.address import Address
from monarq.jobs.store.event_bus import listen

from .bus import Bus

log = structlog.get_logger("monarq.dashboard")

#: Seconds that it goes on listening when the last one has gone: a page that is left is followed by another.
_LINGERS = 15.0
#: Seconds before it begins again after a fault that nobody foresaw.
_PAUSE = 1.0


class Feed:
    """The subscription.

    Args:
        bus: Where the events go.
        source: Of the events that this process tells itself; it does not hear them again.
    """

    def __init__(self, address: Address, bus: Bus, *, source: str) -> None:
        self._address = address
        self._bus = bus
        self._source = source
        self._wanted_by = 0
        self._listening: asyncio.Task[None] | None = None
        self._ending: asyncio.TimerHandle | None = None
        #: Set while the subscription stands, and since when it does: ms of this machine's clock.
        self.stands = asyncio.Event()
        self.stands_since_ms = 0

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Listen as long as this is held."""
        self._wanted_by += 1
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen(), name="monarq-feed")
        try:
            yield
        finally:
            self._wanted_by -= 1
            if self._wanted_by == 0:
                self._ending = asyncio.get_running_loop().call_later(_LINGERS, self._end)

    async def close(self) -> None:
        """Listen no more."""
        listening = self._listening
        self._end()
        if listening is not None:
            with suppress(asyncio.CancelledError):
                await listening

    def _end(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None

    async def _listen(self) -> None:
        has_stood = False
        try:
            while True:
                try:
                    async for events in listen(self._address, besides=self._source):
                        if events is None:
                            self._begin(again=has_stood)
                            has_stood = True
                        for event in events or ():
                            self._bus.deliver(event)
                except Exception:  # nobody else would begin it again
                    log.exception("dashboard.feed_failed")
                    await asyncio.sleep(_PAUSE)
        finally:
            self.stands.clear()
            self._bus.remember(False)

    def _begin(self, *, again: bool) -> None:
        now_ms = time.time_ns() // 1_000_000
        self.stands.set()
        self.stands_since_ms = now_ms
        self._bus.remember(True)
        if again:
            self._bus.deliver(Event(type=EventType.EVENTS_MISSED, at_ms=now_ms))
