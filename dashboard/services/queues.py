"""Queues: see them, let them rest, let them go on, empty them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from monarq.jobs.events import EventType
from monarq.jobs.settings import Settings
from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.measure import QueueNumbers, measure
from monarq.jobs.store.pauses import Pause, Pauses, pauses_of
from monarq.jobs.store.queues import known_queues
from monarq.jobs.store.rates import Rate
from monarq.jobs.store.workers import LiveWorker
from monarq.producer.purging import Purged, purge

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource
from ..audit import Audit
from ..bus import Bus
from ..errors import InvalidRequest, NotThere
from ..snapshot import Freshness, Snapshot, Snapshots
from ..verdicts import QueueFacts

_WHAT = "queue"
#: Seconds that one call may go on with a purge.
_PURGE_SECONDS = 10.0


class QueueState(StrEnum):
    """What a queue does, in a word."""

    PAUSED = "paused"  #: nothing of it is started
    UNSERVED = "unserved"  #: jobs are ready, and no worker claims from it
    LATE = "late"  #: its oldest ready job has been ready for longer than it may
    ACTIVE = "active"  #: jobs are ready, run, or go through it so fast that a look meets none
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """One queue in numbers, what is paused in it, and who works on it."""

    numbers: QueueNumbers
    #: Dead letters, those in PostgreSQL among them.
    dead: int
    objective: timedelta
    #: None while it is not known: it takes two looks.
    rate: Rate | None
    #: The same of the last quarter of an hour.
    lately: Rate | None
    #: Those that claim from it.
    workers: Sequence[LiveWorker]
    freshness: Freshness

    @property
    def id(self) -> str:
        """Its name: by this a list goes on."""
        return self.numbers.queue

    @property
    def state(self) -> QueueState:
        """What it does."""
        facts, numbers = self.facts, self.numbers
        if numbers.pause is not None:
            return QueueState.PAUSED
        if numbers.claimable and not self.workers:
            return QueueState.UNSERVED
        if facts.is_late:
            return QueueState.LATE
        is_active = numbers.ready or numbers.running or facts.is_moving
        return QueueState.ACTIVE if is_active else QueueState.IDLE

    @property
    def oldest_ready_at(self) -> datetime | None:
        """Since when the oldest of the ready jobs has been ready."""
        oldest = self.numbers.oldest_ready
        return None if oldest is None else moment_of(self.numbers.at_ms) - oldest

    @property
    def facts(self) -> QueueFacts:
        """What the verdicts rest on."""
        return QueueFacts(
            numbers=self.numbers,
            objective=self.objective,
            rate=self.rate,
            lately=self.lately,
            serving=self.workers,
        )

    @property
    def drain_seconds(self) -> float | None:
        """How long the ready jobs last at the pace of now; None if that is not known, or never."""
        if not self.numbers.ready:
            return 0.0
        return self.numbers.ready / self.rate.completed if self.rate and self.rate.completed > 0 else None

    @property
    def slots(self) -> int:
        """Of all workers that claim from it; they may serve others as well."""
        return sum(worker.slots for worker in self.workers)

    @property
    def busy(self) -> int:
        """The slots of these that have a job, of whatever queue."""
        return sum(worker.busy for worker in self.workers)


class QueueService:
    """Queues, as far as the caller may see them."""

    def __init__(
        self,
        transport: Transport,
        guard: Guard,
        audit: Audit,
        bus: Bus,
        snapshots: Snapshots,
        settings: Settings,
    ) -> None:
        self._transport = transport
        self._guard = guard
        self._audit = audit
        self._bus = bus
        self._snapshots = snapshots
        self._settings = settings
        self._pauses = Pauses(transport, tagged=settings.hash_tags)

    async def list(self, caller: Caller) -> Sequence[QueueView]:
        """Every queue that the caller may see as a whole, by name."""
        scope = await self._guard.scope(caller, Permission.QUEUES_READ)
        snapshot = await self._snapshots.take()
        return [
            self._view(snapshot, numbers)
            for name, numbers in snapshot.fleet.queues.items()
            if scope.covers(Resource(queue=name))
        ]

    async def get(self, caller: Caller, name: str) -> QueueView:
        """One of them.

        Raises:
            NotThere: There is none of this name, or it must not be seen.
        """
        keys = await self._seen(caller, name)
        snapshot = await self._snapshots.take()
        numbers = snapshot.fleet.queues.get(name)
        if numbers is None:  # it is newer than that
            numbers = await execute(self._transport, measure(keys))
        return self._view(snapshot, numbers)

    async def pause(
        self,
        caller: Caller,
        name: str,
        *,
        kind: str | None,
        why: str,
        until: datetime | timedelta | None,
        now: bool,
    ) -> Pause:
        """Let nothing more of a queue, or of a kind in it, be started."""
        keys = await self._seen(caller, name)
        await self._guard.require(caller, Permission.QUEUES_PAUSE, Resource(queue=name, kind=kind))
        [pause] = await self._pauses.pause(
            keys.name, kind=kind, why=why, until=until, now=now, by=caller.name
        )
        await self._write_through(keys)
        self._bus.tell(EventType.QUEUE_PAUSED, queue=name, kind=kind, by=caller.name)
        await self._audit.record(
            caller, "queue.pause", name, queue=name, kind=kind, why=why, until=pause.until, now=now
        )
        return pause

    async def resume(self, caller: Caller, name: str, *, kind: str | None) -> bool:
        """Let it go on; whether it was paused."""
        keys = await self._seen(caller, name)
        await self._guard.require(caller, Permission.QUEUES_PAUSE, Resource(queue=name, kind=kind))
        ended = await self._pauses.resume(keys.name, kind=kind)
        await self._write_through(keys)
        self._bus.tell(EventType.QUEUE_RESUMED, queue=name, kind=kind, by=caller.name)
        await self._audit.record(caller, "queue.resume", name, queue=name, kind=kind, was_paused=bool(ended))
        return bool(ended)

    async def purge(self, caller: Caller, name: str, *, confirm: str, why: str) -> Purged:
        """Cancel every job of a queue that waits; what runs goes on, and dead letters stay.

        One call does as much as it can in some seconds.

        Raises:
            InvalidRequest: The name that was typed is not the queue's.
        """
        keys = await self._seen(caller, name)
        await self._guard.require(caller, Permission.QUEUES_PURGE, Resource(queue=name))
        if confirm != name:
            raise InvalidRequest({"#/confirm": f"type the name of the queue: {name}"})
        purged = Purged()
        try:
            await purge(self._transport, keys, purged, by=caller.name, why=why, seconds=_PURGE_SECONDS)
        finally:  # what was cancelled stays so, even if Redis went away on the way
            self._bus.tell(EventType.QUEUE_PURGED, queue=name, by=caller.name)
            await self._audit.record(caller, "queue.purge", name, queue=name, why=why, **purged.as_document())
        return purged

    async def _seen(self, caller: Caller, name: str) -> QueueKeys:
        scope = await self._guard.scope(caller, Permission.QUEUES_READ)
        if not scope.covers(Resource(queue=name)):
            raise NotThere(_WHAT)
        snapshot = await self._snapshots.take()
        if (keys := snapshot.fleet.keys.get(name)) is not None:
            return keys
        # it may be new
        known = await known_queues(self._transport, tagged=self._settings.hash_tags)
        for keys in known:
            if keys.name == name:
                return keys
        raise NotThere(_WHAT)

    async def _write_through(self, keys: QueueKeys) -> None:
        self._snapshots.watch.note_pauses(keys.name, await pauses_of(self._transport, keys))

    def _view(self, snapshot: Snapshot, numbers: QueueNumbers) -> QueueView:
        return QueueView(
            numbers=numbers,
            dead=snapshot.dead(numbers),
            objective=self._settings.objective(numbers.queue),
            rate=snapshot.fleet.rates.get(numbers.queue),
            lately=snapshot.fleet.lately.get(numbers.queue),
            workers=snapshot.fleet.serving(numbers.queue),
            freshness=snapshot.freshness,
        )
