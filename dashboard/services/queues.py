"""Queues: see them, let them rest, let them go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monarq.jobs.events import EventType
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.pauses import Pause, Pauses, pauses_of
from monarq.jobs.store.queues import QueueCounts, count, known_queues

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource
from ..audit import Audit
from ..bus import Bus
from ..errors import NotThere

_WHAT = "queue"


@dataclass(frozen=True, slots=True)
class QueueView:
    """One queue in numbers, and what is paused in it."""

    counts: QueueCounts
    pauses: Sequence[Pause]


class QueueService:
    """Queues, as far as the caller may see them."""

    def __init__(self, transport: Transport, guard: Guard, audit: Audit, bus: Bus, *, tagged: bool) -> None:
        self._transport = transport
        self._guard = guard
        self._audit = audit
        self._bus = bus
        self._pauses = Pauses(transport, tagged=tagged)
        self._tagged = tagged

    async def list(self, caller: Caller) -> Sequence[QueueView]:
        """Every queue that the caller may see as a whole, by name."""
        scope = await self._guard.scope(caller, Permission.QUEUES_READ)
        known = await known_queues(self._transport, tagged=self._tagged)
        seen = [keys for keys in known if scope.covers(Resource(queue=keys.name))]
        return await asyncio.gather(*map(self._look, seen))

    async def get(self, caller: Caller, name: str) -> QueueView:
        """One of them.

        Raises:
            NotThere: There is none of this name, or it must not be seen.
        """
        return await self._look(await self._seen(caller, name))

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
        self._bus.tell(EventType.QUEUE_PAUSED, queue=name, kind=kind, by=caller.name)
        await self._audit.record(
            caller, "queue.pause", name, queue=name, kind=kind, why=why, until=str(pause.until), now=now
        )
        return pause

    async def resume(self, caller: Caller, name: str, *, kind: str | None) -> bool:
        """Let it go on; whether it was paused."""
        keys = await self._seen(caller, name)
        await self._guard.require(caller, Permission.QUEUES_PAUSE, Resource(queue=name, kind=kind))
        ended = await self._pauses.resume(keys.name, kind=kind)
        self._bus.tell(EventType.QUEUE_RESUMED, queue=name, kind=kind, by=caller.name)
        await self._audit.record(caller, "queue.resume", name, queue=name, kind=kind, was_paused=bool(ended))
        return bool(ended)

    async def _seen(self, caller: Caller, name: str) -> QueueKeys:
        scope = await self._guard.scope(caller, Permission.QUEUES_READ)
        if scope.covers(Resource(queue=name)):
            for keys in await known_queues(self._transport, tagged=self._tagged):
                if keys.name == name:
                    return keys
        raise NotThere(_WHAT)

    async def _look(self, keys: QueueKeys) -> QueueView:
        counts, pauses = await asyncio.gather(count(self._transport, keys), pauses_of(self._transport, keys))
        return QueueView(counts, pauses)
