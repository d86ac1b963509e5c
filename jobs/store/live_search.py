"""Jobs that have not ended, looked for: those that run, those that wait, or those of some ids.

Redis has no index of what is inside of a job, so looking for it means reading one after the other.  What is
read at a time is bounded, and so is what is read for one page.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ..state import State
from .clock import server_ms
from .examine import Examined, examine
from .execute import Transport, execute
from .job_search import JobSearch
from .keys import QueueKeys
from .letter_filter import as_ms
from .live_filter import fits
from .live_jobs import EARLIEST_MS, LATEST_MS, UNKNOWN_RANK, Glimpse, LiveJob, Spot, glance, lineup, live_job
from .paging import Place, Stretch

#: Jobs of one script call: a script stops the server for all others while it runs.
_WINDOW = 100
_WINDOW_BYTES = 1_000_000
#: Jobs that are read for one page.
LOOKED_AT = 3_000
#: Running jobs of a queue that are looked at: as many as some hundreds of workers have.
_RUNNING = 10_000
#: By which it is told what a claim would take before a job: nobody asks that here.
_AGEING = timedelta(minutes=1)
_WAITING = frozenset({State.SCHEDULED, State.READY, State.RETRYING})


@dataclass(frozen=True, slots=True)
class Found:
    """A job that is there, and what was seen of it."""

    spot: Spot
    seen: Glimpse
    job: LiveJob


@dataclass(frozen=True, slots=True)
class LiveLook:
    """What is looked for, and where."""

    transport: Transport
    #: Those that may be looked into.
    queues: Sequence[QueueKeys]
    search: JobSearch
    #: Whether a job may be seen by who asks.
    sees: Callable[[LiveJob], bool]
    #: How many jobs are read for one page.
    looked_at: int = LOOKED_AT

    def asked(self) -> Sequence[QueueKeys]:
        """The queues that can hold what is meant."""
        names = self.search.filter.values("queue")
        return [keys for keys in self.queues if not names or keys.name in names]

    def means(self, job: LiveJob) -> bool:
        """Whether it is one of those, and may be seen."""
        return self.sees(job) and fits(self.search, job)

    async def at(self, spots: Sequence[tuple[QueueKeys, Spot]]) -> list[Found]:
        """What is there of jobs of several queues, in their order; those that are gone are left out."""
        by_queue: dict[QueueKeys, list[Spot]] = {}
        for keys, spot in spots:
            by_queue.setdefault(keys, []).append(spot)
        read = await asyncio.gather(*(self._glance(keys, mine) for keys, mine in by_queue.items()))
        seen = {keys: iter(glimpses) for keys, glimpses in zip(by_queue, read, strict=True)}
        each = [(keys, spot, next(seen[keys])) for keys, spot in spots]
        return [
            Found(spot, one, live_job(keys, spot, one)) for keys, spot, one in each if one.body is not None
        ]

    async def _glance(self, keys: QueueKeys, spots: Sequence[Spot]) -> list[Glimpse]:
        found: list[Glimpse] = []
        ids = [spot.job_id for spot in spots]
        while len(found) < len(ids):
            part = await execute(self.transport, glance(keys, ids[len(found) :], _WINDOW_BYTES))
            found += part
        return found


class NamedJobs:
    """Those of the ids that the search names."""

    def __init__(self, look: LiveLook) -> None:
        self._look = look

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[LiveJob]:
        """The next ones; a place is an id."""
        ids = _beyond(sorted(self._look.search.filter.values("job_id")), after, backwards)
        found: list[tuple[Place, LiveJob]] = []
        for job_id in ids:
            asked = (
                execute(self._look.transport, examine(keys, job_id, _AGEING)) for keys in self._look.asked()
            )
            for keys, one in zip(self._look.asked(), await asyncio.gather(*asked), strict=True):
                job = _of_examined(keys, job_id, one)
                if job is not None and self._look.means(job):
                    found.append(((job_id,), job))
        return Stretch(found[:limit], found[limit - 1][0] if len(found) >= limit else None)


class RunningJobs:
    """Those that a worker of ours holds, by id: that is, by the time at which they were made."""

    def __init__(self, look: LiveLook) -> None:
        self._look = look

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[LiveJob]:
        """The next ones; a place is an id."""
        queues = await self._queues()
        ids = _beyond(sorted(queues), after, backwards)
        found: list[tuple[Place, LiveJob]] = []
        for at in range(0, len(ids), _WINDOW):
            if at >= self._look.looked_at:
                return Stretch(found, (ids[at - 1],))
            spots = [
                (queues[job_id], Spot(LATEST_MS, UNKNOWN_RANK, job_id)) for job_id in ids[at : at + _WINDOW]
            ]
            found += [
                ((one.spot.job_id,), one.job)
                for one in await self._look.at(spots)
                if one.seen.is_leased and self._look.means(one.job)
            ]
            if len(found) >= limit:
                return Stretch(found[:limit], found[limit - 1][0])
        return Stretch(found, None)

    async def _queues(self) -> dict[str, QueueKeys]:
        """The queue of each running job."""
        call, queues = self._look.transport.call, self._look.asked()
        held = f"({await server_ms(self._look.transport)}"
        replies = await asyncio.gather(
            *(call("ZRANGE", keys.running, held, "+inf", "BYSCORE", "LIMIT", 0, _RUNNING) for keys in queues)
        )
        return {
            job_id.decode("utf-8", "surrogateescape"): keys
            for keys, ids in zip(queues, replies, strict=True)
            for job_id in ids
        }


class WaitingJobs:
    """Those that wait, by the time at which they may be claimed; jobs that arq's workers run are among them.

    Args:
        look: What is looked for.
        latest_first: In the other order.
        goes_on: Where looking ended early, the next page goes on; else `is_partial` says that none does.
    """

    def __init__(self, look: LiveLook, *, latest_first: bool = False, goes_on: bool = True) -> None:
        self._look = look
        self._latest_first = latest_first
        self._goes_on = goes_on
        #: Not all was looked at, and nobody will.
        self.is_partial = False

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[LiveJob]:
        """The next ones; a place is a `Spot`."""
        from_ms, to_ms = await self._bounds()
        place = None if after is None else Spot(*after)
        found: list[tuple[Place, LiveJob]] = []
        looked_at = 0
        while True:
            spots = await self._next(place, backwards != self._latest_first, from_ms, to_ms)
            # those that our workers hold are told by `RunningJobs`
            found += [
                (tuple(one.spot), one.job)
                for one in await self._look.at(spots)
                if not one.seen.is_leased and self._look.means(one.job)
            ]
            if len(found) >= limit:
                return Stretch(found[:limit], found[limit - 1][0])
            if len(spots) < _WINDOW:
                return Stretch(found, None)
            place, looked_at = spots[-1][1], looked_at + len(spots)
            if looked_at >= self._look.looked_at:
                self.is_partial = not self._goes_on
                return Stretch(found, tuple(place) if self._goes_on else None)

    async def _next(
        self, place: Spot | None, backwards: bool, from_ms: int, to_ms: int
    ) -> list[tuple[QueueKeys, Spot]]:
        """The next ones of all queues."""
        queues = self._look.asked()
        asked = (
            lineup(keys, after=place, backwards=backwards, limit=_WINDOW, from_ms=from_ms, to_ms=to_ms)
            for keys in queues
        )
        replies = await asyncio.gather(*(execute(self._look.transport, one) for one in asked))
        each = ([(keys, spot) for spot in spots] for keys, spots in zip(queues, replies, strict=True))
        merged = heapq.merge(*each, key=_order, reverse=backwards)
        return [one for one, _ in zip(merged, range(_WINDOW), strict=False)]

    async def _bounds(self) -> tuple[int, int]:
        """The times that can hold what is meant, ms."""
        wanted, states = self._look.search.filter, self._look.search.states
        from_ms = EARLIEST_MS if wanted.since is None else as_ms(wanted.since)
        to_ms = LATEST_MS if wanted.until is None else as_ms(wanted.until)
        if states and State.RUNNING not in states:
            now_ms = await server_ms(self._look.transport)
            if State.READY not in states:
                return max(from_ms, now_ms), to_ms
            if states & _WAITING == {State.READY}:
                return from_ms, min(to_ms, now_ms)
        return from_ms, to_ms


def _beyond(ids: list[str], after: Place | None, backwards: bool) -> list[str]:
    """Those on the other side of a place, nearest first."""
    if backwards:
        return [job_id for job_id in reversed(ids) if after is None or job_id < after[0]]
    return [job_id for job_id in ids if after is None or job_id > after[0]]


def _order(one: tuple[QueueKeys, Spot]) -> tuple[float, int, bytes]:
    visible_at, rank, job_id = one[1]
    return visible_at, rank, job_id.encode("utf-8", "surrogateescape")


def _of_examined(keys: QueueKeys, job_id: str, one: Examined) -> LiveJob | None:
    if one.visible_at_ms is None or one.priority is None or one.body is None or one.is_letter:
        return None
    seen = Glimpse(one.now_ms, one.lease_end_ms, one.fence, one.starts, one.failure, one.body)
    return live_job(keys, Spot(one.visible_at_ms, one.priority.rank, job_id), seen)
