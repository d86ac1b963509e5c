"""What has changed is told, once, while somebody watches, and no longer."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monarq.dashboard.bus import Bus
from monarq.dashboard.pulse import Pulse, changes, marks_of
from monarq.dashboard.snapshot import Snapshot
from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.events import Event, EventType
from monarq.jobs.store.fleet import Fleet
from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.workers import LiveWorker
from tests.integration.worker.deadlines import eventually

from .present import FRESH, NOW, a_pause, a_worker, numbers


def a_snapshot(*queues: QueueNumbers, workers: tuple[LiveWorker, ...] = (), **freshness: Any) -> Snapshot:
    seen = {one.queue: one for one in queues}
    fleet = Fleet(taken_at=NOW, queues=seen, keys={}, rates={}, lately={}, workers=workers, memory=None)
    return Snapshot(fleet=fleet, counts=None, freshness=replace(FRESH, **freshness))


def told(before: Snapshot, now: Snapshot) -> set[tuple[str | None, str | None]]:
    return {(event.queue, event.worker) for event in changes(marks_of(before), marks_of(now))}


@pytest.mark.parametrize(
    "change",
    [
        {"ready": 1},
        {"running": 1},
        {"scheduled": 1},
        {"retrying": 1},
        {"parked": 1},
        {"dead": 1},
        {"pauses": (a_pause(),)},
        {"counters": {"succeeded": 1}},
        {"oldest_ready": timedelta(seconds=6)},
    ],
    ids=lambda change: str(*change),
)
def test_a_queue_that_looks_otherwise_is_told_and_no_other(change: dict[str, Any]) -> None:
    other = numbers(queue="other")
    assert told(a_snapshot(numbers(), other), a_snapshot(numbers(**change), other)) == {("mail", None)}


def test_what_only_grew_older_is_not_told() -> None:
    before = numbers(at_ms=1, oldest_ready=timedelta(seconds=1), ready=1)
    now = numbers(at_ms=1_001, oldest_ready=timedelta(seconds=2), ready=1)
    worker = a_worker(reported_ago_ms=100)
    later = a_worker(reported_ago_ms=1_100)
    assert told(a_snapshot(before, workers=(worker,)), a_snapshot(now, workers=(later,))) == set()


def test_a_worker_that_comes_or_goes_or_changes_is_told_and_so_are_its_queues() -> None:
    idle, busy = a_worker(), a_worker(busy=1)
    both = {("mail", None), (None, "web-1")}
    assert told(a_snapshot(numbers()), a_snapshot(numbers(), workers=(idle,))) == both
    assert told(a_snapshot(workers=(idle,)), a_snapshot(workers=(busy,))) == {(None, "web-1")}
    assert told(a_snapshot(workers=(idle,)), a_snapshot()) == {(None, "web-1")}


def test_a_store_that_goes_away_is_told_for_all() -> None:
    here = a_snapshot(numbers(), numbers(queue="other"))
    away = a_snapshot(numbers(), numbers(queue="other"), redis="store_unavailable")
    assert told(here, away) == told(away, here) == {("mail", None), ("other", None)}


class Present:
    """What there is to see, and how often somebody looked."""

    def __init__(self) -> None:
        self.snapshot = a_snapshot(numbers())
        self.looks = 0
        self.fault: Exception | None = None

    async def take(self) -> Snapshot:
        self.looks += 1
        if self.looks == 2 and self.fault is not None:
            raise self.fault
        return self.snapshot

    async def is_looked_at(self, more: int = 2) -> None:
        enough = self.looks + more
        await eventually(lambda: self.looks >= enough)


def gather(bus: Bus) -> list[Event]:
    found: list[Event] = []
    bus.on("*", found.append)
    return found


async def test_changes_are_told_while_somebody_watches() -> None:
    present, bus = Present(), Bus()
    found, pulse = gather(bus), Pulse(present.take, bus, every=0.001)
    with pulse.wanted(), pulse.wanted():
        await present.is_looked_at()
        assert found == []
        present.snapshot = a_snapshot(numbers(ready=1))
        await eventually(lambda: found)
        await present.is_looked_at()
    assert [(event.type, event.queue) for event in found] == [(EventType.QUEUE_CHANGED, "mail")]
    await pulse.close()


async def test_what_has_changed_while_nobody_watched_is_told_to_who_watches_next() -> None:
    """Its page may have been made of a look from before that."""
    present, bus = Present(), Bus()
    found, pulse = gather(bus), Pulse(present.take, bus, every=0.001)
    with pulse.wanted():
        await present.is_looked_at()
    present.snapshot = a_snapshot(numbers(), workers=(a_worker(),))
    with pulse.wanted():
        await eventually(lambda: found)
    assert {(event.queue, event.worker) for event in found} == {("mail", None), (None, "web-1")}
    await pulse.close()


async def test_nobody_looks_while_nobody_watches() -> None:
    present, bus = Present(), Bus()
    pulse = Pulse(present.take, bus, every=0.0)
    with pulse.wanted():
        await present.is_looked_at()
    stopped_at = present.looks
    for _ in range(20):
        await asyncio.sleep(0)
    assert present.looks <= stopped_at + 1
    with pulse.wanted():
        await present.is_looked_at()
    await pulse.close()


@pytest.mark.parametrize("fault", [StoreUnavailable("away"), RuntimeError("unforeseen")])
async def test_a_look_that_fails_ends_nothing(fault: Exception) -> None:
    present, bus = Present(), Bus()
    found, pulse = gather(bus), Pulse(present.take, bus, every=0.001)
    present.fault = fault
    with pulse.wanted():
        await present.is_looked_at(5)
    assert {event.queue for event in found} == {"mail"}
    await pulse.close()
