"""Tells what has changed in the numbers of queues and workers, while somebody watches them.

One look a second for all who watch; who only asks, now and then, needs none of this.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.events import Event, EventType
from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.workers import LiveWorker

from .bus import Bus

if TYPE_CHECKING:
    from .snapshot import Snapshot

log = structlog.get_logger("monarq.dashboard")

#: Seconds between two looks.
EVERY = 1.0
#: Seconds after which an age that only grew is worth a new page.
_AGES_BY = 5.0


class Pulse:
    """The looks."""

    def __init__(self, take: Callable[[], Awaitable[Snapshot]], bus: Bus, *, every: float = EVERY) -> None:
        self._take = take
        self._bus = bus
        self._every = every
        self._wanted_by = 0
        self._beating: asyncio.Task[None] | None = None
        #: What the last look showed, also while nobody watches: a page may be older than the next look.
        self._before: Mapping[Hashable, Event] | None = None

    @contextmanager
    def wanted(self) -> Iterator[None]:
        """Look as long as this is held."""
        self._wanted_by += 1
        if self._beating is None:
            self._beating = asyncio.create_task(self._beat(), name="monarq-pulse")
        try:
            yield
        finally:
            self._wanted_by -= 1
            if self._wanted_by == 0 and self._beating is not None:
                self._beating.cancel()
                self._beating = None

    async def close(self) -> None:
        """Look no more."""
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)

    async def _beat(self) -> None:
        while True:
            try:
                now = marks_of(await self._take())
            except StoreError:  # nothing was ever seen
                now = {}
            except Exception:  # nobody else would begin it again
                log.exception("dashboard.pulse_failed")
                now = {}
            if self._before is not None:
                for event in changes(self._before, now):
                    self._bus.deliver(event)
            self._before = now
            await asyncio.sleep(self._every)


def marks_of(snapshot: Snapshot) -> dict[Hashable, Event]:
    """What a snapshot shows, each with the event that tells of it."""
    at_ms = time.time_ns() // 1_000_000
    failure = snapshot.freshness.redis
    found: dict[Hashable, Event] = {}
    for name, numbers in snapshot.fleet.queues.items():
        event = Event(type=EventType.QUEUE_CHANGED, at_ms=at_ms, queue=name)
        serving = tuple(worker.worker for worker in snapshot.fleet.serving(name))
        found[(_of_queue(numbers), snapshot.dead(numbers), serving, failure)] = event
    for worker in snapshot.fleet.workers:
        event = Event(
            type=EventType.WORKER_CHANGED, at_ms=at_ms, worker=worker.worker, queues=tuple(worker.queues)
        )
        found[(_of_worker(worker), failure)] = event
    return found


def changes(before: Mapping[Hashable, Event], now: Mapping[Hashable, Event]) -> list[Event]:
    """An event for each queue and worker that looks otherwise now, or is gone."""
    touched = [now[mark] for mark in now.keys() - before.keys()]
    told = {(event.queue, event.worker) for event in touched}
    gone = (before[mark] for mark in before.keys() - now.keys())
    return touched + [event for event in gone if (event.queue, event.worker) not in told]


def _of_queue(numbers: QueueNumbers) -> Hashable:
    oldest = numbers.oldest_ready
    return (
        numbers.queue,
        numbers.ready,
        numbers.running,
        numbers.scheduled,
        numbers.retrying,
        numbers.parked,
        tuple((pause.kind, pause.at) for pause in numbers.pauses),
        # jobs that came and went between two looks
        tuple(sorted(numbers.counters.items())),
        None if oldest is None else int(oldest.total_seconds() / _AGES_BY),
    )


def _of_worker(worker: LiveWorker) -> Hashable:
    runs = tuple(run.job_id for run in worker.runs)
    return (
        worker.worker,
        worker.stopping,
        worker.is_stale,
        worker.busy,
        worker.complete,
        worker.failed,
        runs,
    )
