"""What was read lately, kept in this process for a short time.

    statistics: Cache[Stats] = Cache(ttl=5)
    found = await statistics.get("queue:mail", lambda: read_stats("mail"))     cache-aside
    controls.put("queue:mail", pause)                                          write-through
    controls.drop("queue:mail"); controls.drop_matching("queue:*")             invalidation by hand,
    controls.follow(bus, "queue.*", lambda event: f"queue:{event.queue}")      and by event

Who asks for the same at once waits for one read.  While the store is away, what was read last is given once
more, and says so.

This is for answers by key, which events make wrong.  What there is one of, the look at the whole fleet say,
is a `SharedReading` (`jobs/store/`): it is never wrong, only old.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Generic, TypeVar

from monarq.jobs.errors import StoreError
from monarq.jobs.events import Event

from .access.patterns import matches
from .bus import Bus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept(Generic[T]):
    """A value, and when it was true."""

    value: T
    taken_at: datetime
    #: The store did not answer: this is what it said before.
    is_stale: bool = False


class Cache(Generic[T]):
    """Values by their keys.

    Args:
        ttl: Seconds for which a value is as good as a new one.
        stale_for: Seconds after that for which it is better than an error.
        most: So many values are kept; of more, those that nobody asked for the longest are dropped.
    """

    def __init__(self, ttl: float, *, stale_for: float = 300.0, most: int = 1_000) -> None:
        self._ttl = ttl
        self._stale_for = stale_for
        self._most = most
        #: By key: until when it is fresh, when it was read, and what it is.
        self._kept: OrderedDict[str, tuple[float, float, Kept[T]]] = OrderedDict()
        self._reads: dict[str, asyncio.Task[Kept[T]]] = {}
        self.hits = 0
        self.reads = 0

    async def get(self, key: str, read: Callable[[], Awaitable[T]]) -> Kept[T]:
        """The value of this key: one that is fresh, or what `read` gives.

        Raises:
            StoreError: It could not be read, and nothing is kept that is young enough.
        """
        now = time.monotonic()
        fresh_until, read_at, kept = self._kept.get(key, (0.0, 0.0, None))
        if kept is not None and now < fresh_until:
            self.hits += 1
            self._kept.move_to_end(key)
            return kept
        reading = self._reads.get(key) or self._begin(key, read)
        try:
            # shielded: others may wait for it too
            return await asyncio.shield(reading)
        except StoreError:
            if kept is None or now - read_at > self._ttl + self._stale_for:
                raise
            return replace(kept, is_stale=True)

    def last(self, key: str) -> Kept[T] | None:
        """What is kept, however old it is: for who would rather have that than wait."""
        return self._kept.get(key, (0.0, 0.0, None))[2]

    def put(self, key: str, value: T) -> None:
        """Keep what was just written.  A read that is under way has seen what was before, and is not kept."""
        self._reads.pop(key, None)
        self._keep(key, Kept(value, datetime.now(UTC)))

    def drop(self, key: str) -> None:
        """Believe it no longer: the next one who asks reads; if that fails, it is what was known last."""
        self._reads.pop(key, None)
        if key in self._kept:
            _, read_at, kept = self._kept[key]
            self._kept[key] = (0.0, read_at, kept)

    def drop_matching(self, pattern: str) -> None:
        """The same for all whose key fits: `queue:*`."""
        for key in [key for key in (*self._kept, *self._reads) if matches(pattern, key)]:
            self.drop(key)

    def follow(self, bus: Bus, events: str, key_of: Callable[[Event], str]) -> None:
        """Drop what an event has changed: for each whose type fits, the key, or the pattern, of `key_of`."""
        bus.on(events, lambda event: self.drop_matching(key_of(event)))
        # events may be missing now
        bus.on("events.missed", lambda _: self.drop_matching("*"))

    # ---

    def _begin(self, key: str, read: Callable[[], Awaitable[T]]) -> asyncio.Task[Kept[T]]:
        self.reads += 1
        reading = asyncio.create_task(self._read(key, read), name=f"monarq-cache-{key}")
        self._reads[key] = reading
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # somebody has seen it
        return reading

    async def _read(self, key: str, read: Callable[[], Awaitable[T]]) -> Kept[T]:
        me = asyncio.current_task()
        try:
            kept = Kept(await read(), datetime.now(UTC))
            if self._reads.get(key) is me:  # else it was changed meanwhile
                self._keep(key, kept)
            return kept
        finally:
            if self._reads.get(key) is me:
                del self._reads[key]

    def _keep(self, key: str, kept: Kept[T]) -> None:
        now = time.monotonic()
        self._kept[key] = (now + self._ttl, now, kept)
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
