"""What happens, told inside of this process: services tell, caches and streams listen.

bus.publish(Event(type=EventType.QUEUE_PAUSED, at_ms=…, queue="mail"))      after a change
bus.on("queue.*", lambda event: …)                                          called at once
with bus.subscribe("job.*") as subscription:                                gathered, to be taken
    events = await subscription.take()
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog

from monarq.jobs.events import Event, EventType
from monarq.jobs.store.event_bus import EventSender

from .access.patterns import matches

log = structlog.get_logger("monarq.dashboard")

#: Events that wait for a subscriber; past it, the subscriber is too slow.
MOST_WAITING = 1_000
#: Events that are remembered, for those who come back.
MOST_REMEMBERED = 5_000

Listener = Callable[[Event], None]


class Subscription:
    """Events that fit its patterns, until somebody takes them; bounded."""

    def __init__(self, patterns: Sequence[str], limit: int) -> None:
        self._patterns = patterns
        self._limit = limit
        self._waiting: deque[Event] = deque()
        #: Set when something has come.
        self.filled = asyncio.Event()
        #: There were more than it holds: what it has is not all.
        self.is_too_slow = False

    def offer(self, event: Event) -> None:
        """Take an event in, if it fits and there is room."""
        if not _fits(self._patterns, event):
            return
        if len(self._waiting) >= self._limit:
            self.is_too_slow = True
        else:
            self._waiting.append(event)
        self.filled.set()

    def take(self) -> list[Event]:
        """What has come since."""
        self.filled.clear()
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Bus:
    """The events of one process.

    Args:
        sender: Tells other processes what is published here.  None: nobody is told.
    """

    def __init__(self, sender: EventSender | None = None) -> None:
        self._sender = sender
        self._listeners: list[tuple[str, Listener]] = []
        self._subscriptions: set[Subscription] = set()
        #: The last ones, the oldest first, while `remembers` is set.
        self._recent: deque[Event] = deque(maxlen=MOST_REMEMBERED)
        self._remembers = False

    def publish(self, event: Event) -> None:
        """Tell of something that this process has done, here at once and elsewhere soon."""
        if self._sender is None:
            self.deliver(event)
            return
        event = self._sender.numbered(event)
        self.deliver(event)
        self._sender.add(event)

    def tell(self, type: EventType, **facts: Any) -> None:
        """The same, of now: `bus.tell(EventType.QUEUE_PAUSED, queue="mail", by="ann")`."""
        self.publish(Event(type=type, at_ms=time.time_ns() // 1_000_000, **facts))

    def deliver(self, event: Event) -> None:
        """Tell it in this process only."""
        if self._remembers:
            self._recent.append(event)
        for pattern, listener in list(self._listeners):
            if matches(pattern, event.type):
                self._call(listener, event)
        for subscription in list(self._subscriptions):
            subscription.offer(event)

    def on(self, pattern: str, listener: Listener) -> Callable[[], None]:
        """Call it with each event whose type fits (`queue.*`); what comes back ends that."""
        entry = (pattern, listener)
        self._listeners.append(entry)
        return lambda: self._listeners.remove(entry)

    @contextmanager
    def subscribe(self, *patterns: str, limit: int = MOST_WAITING) -> Iterator[Subscription]:
        """Gather the events whose type fits one of these."""
        subscription = Subscription(patterns, limit)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def remember(self, wanted: bool) -> None:
        """Keep the last events from now on, or forget them: what has a gap helps nobody."""
        self._remembers = wanted
        self._recent.clear()

    def since(self, event_id: str) -> list[Event] | None:
        """What came after the event of this id; None if it is not remembered (any more)."""
        recent = list(self._recent)
        for at in range(len(recent) - 1, -1, -1):
            if recent[at].id == event_id:
                return recent[at + 1 :]
        return None

    @staticmethod
    def _call(listener: Listener, event: Event) -> None:
        try:
            listener(event)
        except Exception:  # one listener's fault must not undo what was done, nor hide it from others
            log.exception("dashboard.listener_failed", event_type=str(event.type))


def _fits(patterns: Sequence[str], event: Event) -> bool:
    return any(matches(pattern, event.type) for pattern in patterns)
