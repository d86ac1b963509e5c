"""Events for those who listen: what each may see, for as long as they may, no faster than they can read.

Two kinds of streams come of it: events, for apps, and topics that have changed, for pages.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from monarq.jobs.errors import MonarqError, StoreError
from monarq.jobs.events import Event, EventType, told_time

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.ownership import owner_tag
from ..access.patterns import matches
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..auth.authenticator import Authenticator, Shown
from ..bus import Bus
from ..errors import NotAuthenticated, NotPermitted, ReadOnly
from ..feed import Feed
from ..pulse import Pulse
from ..streams import Streams
from ..topics import EVERY_TOPIC, OF_ONE, Topics

#: Seconds: after which a stream that says nothing says that it lives; after which login and permissions are
#: looked at again; and between two words of a page's stream.
PING_EVERY = 15.0
CHECK_EVERY = 30.0
TOPICS_EVERY = 1.0
#: Events that one listener is told in a second.
MOST_PER_SECOND = 500
#: Seconds to wait for the subscription: who is told that the stream is open misses nothing from then on.
_OPENS_WITHIN = 2.0
_MOST_JUDGED = 1_000
#: How `since` begins where it is a time, and by how much the clocks of our machines may differ, in ms.
_TIME = "t"
_SLACK_MS = 500

#: What it takes to be told.
_NEEDED: Mapping[str, Permission] = {
    "job": Permission.JOBS_READ,
    "queue": Permission.QUEUES_READ,
    "worker": Permission.WORKERS_READ,
    "operation": Permission.OPERATIONS_RUN,
    "audit": Permission.AUDIT_READ,
}
#: For pages, and for whoever names them: they say no more than that something may have changed.
_ONLY_IF_ASKED = (EventType.QUEUE_CHANGED, EventType.WORKER_CHANGED)


class WhyEnded(StrEnum):
    """Why a stream ends that its listener did not end."""

    STOPPING = "stopping"  #: the server stops; another one may be there
    LOGGED_OUT = "logged_out"  #: what was shown at the beginning holds no more
    NOT_PERMITTED = "not_permitted"  #: any more
    TOO_SLOW = "too_slow"  #: more has come than was read
    STORE_AWAY = "store_away"  #: it cannot be known whether the login holds


class StreamEnded(Exception):
    """The stream ends."""

    def __init__(self, why: WhyEnded) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events somebody wants to hear of: those that fit a pattern of each group that is not empty."""

    queues: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def fits(self, event: Event) -> bool:
        """Whether it is one of them; what is said of the stream itself always is."""
        if event.family == "events":
            return True
        if not self.types and event.type in _ONLY_IF_ASKED:
            return False
        return (
            _fits(self.types, event.type)
            and _fits(self.kinds, event.kind)
            and (_fits(self.queues, event.queue) or any(_fits(self.queues, queue) for queue in event.queues))
        )


class View:
    """What one caller may see."""

    def __init__(self, subject: str, scopes: Mapping[Permission, Scope]) -> None:
        self._subject, self._own_tag = subject, owner_tag(subject)
        self._scopes = scopes
        self._judged: dict[tuple[Permission, Resource], bool] = {}

    def covers(self, permission: Permission | None, resource: Resource) -> bool:
        """Whether the caller holds the permission for this; every caller holds None.

        The owner of the resource is told by a tag.
        """
        if permission is None:
            return True
        scope = self._scopes.get(permission)
        if scope is None:
            return False
        key = (permission, resource)
        if key not in self._judged:
            if len(self._judged) > _MOST_JUDGED:
                self._judged.clear()
            owner = self._subject if resource.owner == self._own_tag else None
            self._judged[key] = scope.covers(replace(resource, owner=owner))
        return self._judged[key]

    def sees(self, event: Event) -> bool:
        """Whether the caller may know of it."""
        if event.family == "events":
            return True
        needed = _NEEDED[event.family]
        about = [Resource(queue=queue) for queue in event.queues]
        about = about or [Resource(queue=event.queue, kind=event.kind, owner=event.owner)]
        return any(self.covers(needed, resource) for resource in about)


class EventService:
    """Streams for callers."""

    def __init__(
        self,
        bus: Bus,
        feed: Feed,
        pulse: Pulse,
        topics: Topics,
        streams: Streams,
        guard: Guard,
        authenticator: Authenticator,
    ) -> None:
        self._bus = bus
        self._feed = feed
        self._pulse = pulse
        self._topics = topics
        self.streams = streams
        self._guard = guard
        self._authenticator = authenticator

    async def events(
        self, caller: Caller, shown: Shown, wanted: Wanted, since: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Events as documents; first of all one that says from where on.

        Args:
            shown: How the caller has shown who they are: it is looked at again.
            since: The id of the last event that is known.

        Raises:
            NotPermitted: The caller may see no jobs.
            TooManyStreams: There are too many already.
            StreamEnded: It says why.
        """
        await self._guard.scope(caller, Permission.JOBS_READ)
        with (
            self._bus.subscribe("*") as subscription,
            self.streams.enter(caller.subject, subscription.filled),
            self._feed.wanted(),
        ):
            watch = _Watchman(self, caller, shown, await self.view_of(caller), must=Permission.JOBS_READ)
            await self._wait_for_feed()
            pace = _Pace()
            missed = [] if since is None else self._missed(since)
            yield {"type": "stream.open", "at": _now()}
            while True:
                for event in (*missed, *subscription.take()):
                    if wanted.fits(event) and watch.view.sees(event) and pace.allows():
                        yield event.as_document()
                missed = []
                if subscription.is_too_slow:
                    raise StreamEnded(WhyEnded.TOO_SLOW)
                if skipped := pace.skipped():
                    yield {"type": str(EventType.EVENTS_SKIPPED), "at": _now(), "count": skipped}
                if not await watch.wait(subscription.filled, PING_EVERY):
                    yield {"type": "stream.ping", "at": _now()}

    async def topics(
        self, caller: Caller, shown: Shown, topics: Iterable[str], since: str | None
    ) -> AsyncIterator[tuple[str, list[tuple[str, int]]]]:
        """Topics that have changed, with their versions, and where to go on from; at most once a second.

        An empty list says that the stream lives.
        """
        with (
            self._topics.watch(topics) as watched,
            self.streams.enter(caller.subject, watched.changed),
            self._feed.wanted(),
            self._pulse.wanted(),
        ):
            watch = _Watchman(self, caller, shown, await self.view_of(caller))
            await self._wait_for_feed()
            known = None if since is None else self._place_of(since)
            changed = [] if since is None else self._after_absence(watched.topics, known)
            after = self._topics.version if known is None else known
            watched.changed.set()  # there may be some already
            yield self._topics.mark, changed
            while True:
                if not await watch.wait(watched.changed, PING_EVERY):
                    yield self._topics.mark, []
                    continue
                watched.changed.clear()
                after, found = self._topics.changes(watched, after)
                told = {one.topic: n for one, n in found if watch.view.covers(one.permission, one.resource)}
                if told:
                    yield self._topics.mark, sorted(told.items())
                    await self.streams.closing.pause(TOPICS_EVERY)

    async def view_of(self, caller: Caller) -> View:
        """What the caller may see of events."""
        scopes = {}
        for permission in _NEEDED.values():
            try:
                scopes[permission] = await self._guard.scope(caller, permission)
            except (NotPermitted, ReadOnly):
                continue
        return View(caller.subject, scopes)

    async def check(self, shown: Shown, must: Permission | None) -> View:
        """What the caller may see by now.

        Raises:
            StreamEnded: Nothing any more.
        """
        try:
            caller = await self._authenticator.caller(shown, counts_as_use=False)
            if must is not None:
                await self._guard.scope(caller, must)
            return await self.view_of(caller)
        except NotAuthenticated:
            raise StreamEnded(WhyEnded.LOGGED_OUT) from None
        except StoreError:
            raise StreamEnded(WhyEnded.STORE_AWAY) from None
        except MonarqError:
            raise StreamEnded(WhyEnded.NOT_PERMITTED) from None

    # ---

    async def _wait_for_feed(self) -> None:
        try:
            async with asyncio.timeout(_OPENS_WITHIN):
                await self._feed.stands.wait()
        except TimeoutError:  # Redis is away: what happens here is told all the same
            pass

    def _place_of(self, since: str) -> int | None:
        """The version that a page knows: by a mark of ours, or by when it was made (`t` and ms)."""
        if not since.startswith(_TIME):
            return self._topics.place_of(since)
        ms = since.removeprefix(_TIME)
        if not (ms.isdecimal() and len(ms) < 16) or int(ms) < self._feed.stands_since_ms:
            return None
        return self._topics.place_at(int(ms) - _SLACK_MS)

    def _missed(self, since: str) -> list[Event]:
        known = self._bus.since(since)
        if known is not None:
            return known
        return [Event(type=EventType.EVENTS_MISSED, at_ms=time.time_ns() // 1_000_000)]

    def _after_absence(self, topics: Iterable[str], known: int | None) -> list[tuple[str, int]]:
        """What is told to who comes back, besides what is remembered: all of which nobody knows."""
        if known is None:
            return [(EVERY_TOPIC, 0)]
        return [(topic, known) for topic in sorted(topics) if topic.startswith(OF_ONE)]


class _Watchman:
    """Ends a stream with the server, with the login and with the permission."""

    def __init__(
        self,
        service: EventService,
        caller: Caller,
        shown: Shown,
        view: View,
        *,
        must: Permission | None = None,
    ) -> None:
        self.view = view
        self._service = service
        self._shown = shown
        self._must = must
        self._ends_at = caller.ends_at
        self._check_at = time.monotonic() + CHECK_EVERY

    async def wait(self, bell: asyncio.Event, seconds: float) -> bool:
        """Whether the bell rings in time.

        Raises:
            StreamEnded: It is over.
        """
        until = time.monotonic() + seconds
        while True:
            await self._look()
            left = min(until, self._check_at) - time.monotonic()
            rang = await _rings(bell, left)
            await self._look()
            if rang or time.monotonic() >= until:
                return rang

    async def _look(self) -> None:
        if self._service.streams.closing.has_begun:
            raise StreamEnded(WhyEnded.STOPPING)
        if self._ends_at is not None and time.time() >= self._ends_at:
            raise StreamEnded(WhyEnded.LOGGED_OUT)
        if time.monotonic() >= self._check_at:
            self.view = await self._service.check(self._shown, self._must)
            self._check_at = time.monotonic() + CHECK_EVERY


class _Pace:
    """No more than so many in a second; what is left out is counted."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._told = 0
        self._skipped = 0

    def allows(self) -> bool:
        """Whether one more may be told."""
        now = time.monotonic()
        if now - self._began >= 1.0:
            self._began, self._told = now, 0
        self._told += 1
        if self._told > MOST_PER_SECOND:
            self._skipped += 1
            return False
        return True

    def skipped(self) -> int:
        """How many were left out since this was asked last."""
        skipped, self._skipped = self._skipped, 0
        return skipped


async def _rings(bell: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await bell.wait()
    except TimeoutError:
        return bell.is_set()
    return True


def _fits(patterns: tuple[str, ...], name: str | None) -> bool:
    return not patterns or (name is not None and any(matches(pattern, name) for pattern in patterns))


def _now() -> str:
    return told_time(time.time_ns() // 1_000_000)
