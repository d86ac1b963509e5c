"""What of a page has changed: topics with versions, for pages that fetch themselves anew.

A page says which topics it shows (`queues`, `queue:mail`, `job:0196…`); it is told that one of them has
another version, and no more.  What has changed is told to nobody who could not see it on the page.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex

from monarq.jobs.events import Event, EventType

from .access.permissions import Permission
from .access.scope import Resource
from .bus import Bus

#: All of them: nobody knows what has changed.
EVERY_TOPIC = "*"
#: Changes that are remembered: kinds of things, not things, so that they are few.
_MOST = 5_000
#: Topics of one thing among many: remembered only while somebody watches it.
OF_ONE = ("job:", "operation:")


@dataclass(frozen=True, slots=True)
class Change:
    """A topic, and what one must be allowed to see to be told of it."""

    topic: str
    permission: Permission | None
    resource: Resource


class Watch:
    """What one client waits for."""

    def __init__(self, topics: frozenset[str]) -> None:
        self.topics = topics
        self.changed = asyncio.Event()


class Topics:
    """The versions of all topics, as the bus tells of changes."""

    def __init__(self, bus: Bus) -> None:
        self._token = token_hex(3)
        #: Grows with each change.
        self.version = 0
        #: What was before this version is not known any more.
        self._floor = 0
        self._versions: dict[Change, int] = {}
        #: ms of this machine's clock, beside each version.
        self._noted_ms: dict[Change, int] = {}
        self._watches: set[Watch] = set()
        self._watched: Counter[str] = Counter()
        bus.on("*", self._note)

    @property
    def mark(self) -> str:
        """A place to go on from, for those who come back."""
        return f"{self._token}-{self.version}"

    @contextmanager
    def watch(self, topics: Iterable[str]) -> Iterator[Watch]:
        """Be woken when one of these may have changed."""
        watch = Watch(frozenset(topics))
        self._watches.add(watch)
        self._watched.update(watch.topics)
        try:
            yield watch
        finally:
            self._watches.discard(watch)
            self._watched.subtract(watch.topics)
            self._watched += Counter()  # drops those that nobody watches

    def place_of(self, mark: str) -> int | None:
        """The version that a mark stands for; None if what came after it is not known."""
        token, _, number = mark.partition("-")
        version = int(number) if number.isdecimal() and len(number) < 20 else -1
        return version if token == self._token and self._floor <= version <= self.version else None

    def place_at(self, ms: int) -> int:
        """The version of a moment: whatever changed then or later is behind it."""
        before = (self._versions[change] for change, noted in self._noted_ms.items() if noted < ms)
        return max(before, default=self._floor)

    def changes(self, watch: Watch, after: int) -> tuple[int, list[tuple[Change, int]]]:
        """The version of now, and what the watch waits for of what came after another one."""
        if after < self._floor:
            return self.version, [(Change(EVERY_TOPIC, None, Resource()), self.version)]
        found = [
            (change, version)
            for change, version in self._versions.items()
            if version > after and (change.topic in watch.topics or change.topic == EVERY_TOPIC)
        ]
        return self.version, found

    def _note(self, event: Event) -> None:
        touched, now_ms = set(), time.time_ns() // 1_000_000
        for change in changes_of(event):
            if change.topic.startswith(OF_ONE) and not self._watched[change.topic]:
                continue
            self.version += 1
            self._versions[change] = self.version
            self._noted_ms[change] = now_ms
            touched.add(change.topic)
        if len(self._versions) > _MOST:
            self._versions.clear()
            self._noted_ms.clear()
            self._floor = self.version
            touched.add(EVERY_TOPIC)
        for watch in self._watches:
            if EVERY_TOPIC in touched or not touched.isdisjoint(watch.topics):
                watch.changed.set()


def changes_of(event: Event) -> Iterator[Change]:
    """The topics that an event touches."""
    match event.family:
        case "job":
            yield from _of_job(event)
        case "queue":
            yield from _of_queue(event)
        case "worker":
            for queue in event.queues or (None,):
                yield Change("workers", Permission.WORKERS_READ, Resource(queue=queue))
        case "operation":
            about = Resource(queue=event.queue, kind=event.kind, owner=event.owner)
            yield Change("operations", Permission.JOBS_READ, about)
            yield Change(f"operation:{event.operation}", Permission.JOBS_READ, about)
            yield Change("dead-letters", Permission.JOBS_READ, about)
            yield Change("jobs", Permission.JOBS_READ, about)
            yield from _of_queue(event)
        case "audit":
            about = Resource(queue=event.queue, kind=event.kind, owner=event.owner)
            yield Change("audit", Permission.AUDIT_READ, about)
        case _:
            yield Change(EVERY_TOPIC, None, Resource())


_OF_DEAD = (EventType.JOB_DEAD, EventType.JOB_REPLAYED, EventType.JOB_DISCARDED)


def _of_job(event: Event) -> Iterator[Change]:
    about = Resource(queue=event.queue, kind=event.kind, owner=event.owner)
    yield Change("jobs", Permission.JOBS_READ, about)
    yield Change(f"job:{event.job_id}", Permission.JOBS_READ, about)
    if event.type in _OF_DEAD:
        yield Change("dead-letters", Permission.JOBS_READ, about)
    yield from _of_queue(event)


def _of_queue(event: Event) -> Iterator[Change]:
    about = Resource(queue=event.queue)
    yield Change("queues", Permission.QUEUES_READ, about)
    yield Change(f"queue:{event.queue}", Permission.QUEUES_READ, about)
