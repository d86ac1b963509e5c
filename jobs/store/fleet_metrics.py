"""The gauges of the whole fleet: one process tells them for all (`max by` in queries, never `sum`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ..failure import Cause
from ..labels import MOST_QUEUES, Labels
from ..metrics import Metric, counter, gauge
from ..priority import PRIORITIES
from ..settings import Settings
from .census import Census, watched_crons
from .fleet import Fleet
from .heartbeats import beating
from .measure import QueueNumbers
from .memory import Memory
from .shared_reading import Reading
from .workers import LiveWorker

if TYPE_CHECKING:
    from .postgres.counts import DatabaseCounts

_STATES = ("ready", "scheduled", "retrying", "running")

#: The numbers of the queues by the label that they go under: each under its own, up to a bound.
Labelled = Mapping[str, list[QueueNumbers]]


def fleet_metrics(seen: Reading[Census], settings: Settings) -> Iterator[Metric]:
    """All gauges of what was seen."""
    census, fleet = seen.value, seen.value.fleet
    labels = labels_of(fleet, first=settings.objectives)
    labelled: dict[str, list[QueueNumbers]] = {}
    for name, numbers in fleet.queues.items():
        labelled.setdefault(labels[name], []).append(numbers)
    yield from _jobs(labelled, seen.age)
    yield from _queues(labelled, fleet, settings)
    yield _failures(labelled)
    yield from _letters(census, labelled)
    yield from _workers(fleet)
    yield from _schedules(census)
    if settings.heartbeat_jobs:
        yield _heartbeats(census, labels)
    if fleet.memory is not None:
        yield from _memory(fleet.memory)
    if census.counts is not None:
        yield from _outbox(census.counts)
    yield _one("monarq_snapshot_timestamp_seconds", "When all of this was seen.", fleet.taken_at.timestamp())
    yield _one("monarq_snapshot_duration_seconds", "How long it took to look.", census.took)


def labels_of(fleet: Fleet, first: Iterable[str]) -> dict[str, str]:
    """The label of each queue; of very many, those of `first` keep their names before others do."""
    named, labels = set(first), Labels(MOST_QUEUES)
    ordered = sorted(fleet.queues, key=lambda name: (name not in named, name))
    return {name: labels.of(name) for name in ordered}


def _jobs(labelled: Labelled, age: float) -> Iterator[Metric]:
    counts: dict[tuple[str, ...], float] = {}
    ages: dict[tuple[str, ...], float] = {}
    for label, queues in labelled.items():
        for rank, priority in enumerate(PRIORITIES):
            numbers = [queue.priorities[rank] for queue in queues]
            for state in _STATES:
                counts[label, priority, state] = sum(getattr(one, state) for one in numbers)
            oldest = [one.oldest_ready.total_seconds() for one in numbers if one.oldest_ready is not None]
            # it has grown older since
            ages[label, priority] = max(oldest) + age if oldest else 0
    yield gauge("monarq_queue_jobs", "Jobs that have not ended.", ("queue", "priority", "state"), counts)
    yield gauge(
        "monarq_queue_oldest_ready_age_seconds",
        "For how long the oldest ready job could have started; 0 if none is ready.",
        ("queue", "priority"),
        ages,
    )
    yield _per_queue(
        "monarq_queue_parked_jobs",
        "Due jobs of paused kinds, put aside; they do not count as ready.",
        labelled,
        lambda queues: sum(queue.parked for queue in queues),
    )


def _queues(labelled: Labelled, fleet: Fleet, settings: Settings) -> Iterator[Metric]:
    yield _per_queue(
        "monarq_queue_paused",
        "Whether the whole queue is paused.",
        labelled,
        lambda queues: all(queue.pause is not None for queue in queues),
    )
    yield _per_queue(
        "monarq_queue_wait_objective_seconds",
        "How long jobs of the queue may be ready before it counts as late.",
        labelled,
        lambda queues: max(settings.objective(queue.queue).total_seconds() for queue in queues),
    )
    yield _per_queue(
        "monarq_queue_workers",
        "Live workers that claim from the queue.",
        labelled,
        lambda queues: len({one.worker for queue in queues for one in fleet.serving(queue.queue)}),
    )


def _failures(labelled: Labelled) -> Metric:
    counts: dict[tuple[str, ...], float] = {
        (label, str(cause)): sum(queue.counters.get(f"failed:{cause}", 0) for queue in queues)
        for label, queues in labelled.items()
        for cause in Cause
        if cause is not Cause.REPLAY
    }
    help_text = "Attempts that did not succeed, by cause, since the queue exists."
    return counter("monarq_job_failures", help_text, ("queue", "cause"), counts)


def _letters(census: Census, labelled: Labelled) -> Iterator[Metric]:
    if census.has_database and census.counts is None:
        return  # where nearly all of them lie, nobody could count them
    elsewhere = census.counts.dead if census.counts is not None else {}
    yield _per_queue(
        "monarq_dead_letter_jobs",
        "Dead letters, in Redis and in PostgreSQL.",
        labelled,
        lambda queues: sum(queue.dead + elsewhere.get(queue.queue, 0) for queue in queues),
    )


def _workers(fleet: Fleet) -> Iterator[Metric]:
    states = Counter({"live": 0, "draining": 0, "stale": 0})
    states.update(map(_state_of, fleet.workers))
    yield gauge(
        "monarq_workers",
        "Workers that claim jobs, that were told to stop, and that have not reported in time.",
        ("state",),
        {(state,): count for state, count in states.items()},
    )


def _state_of(worker: LiveWorker) -> str:
    if worker.is_stale:
        return "stale"
    return "draining" if worker.stopping else "live"


def _schedules(census: Census) -> Iterator[Metric]:
    intervals: dict[tuple[str, ...], float] = {}
    successes: dict[tuple[str, ...], float] = {}
    for cron in watched_crons(census.fleet):
        key = (cron.name,)
        intervals[key] = max(intervals.get(key, 0), (cron.interval_ms or 0) / 1000)
        if cron.kind in census.successes:
            successes[key] = census.successes[cron.kind] / 1000
    yield gauge(
        "monarq_schedule_last_success_timestamp_seconds",
        "When a job of the schedule has succeeded last; before the first time, since when it is watched.",
        ("schedule",),
        successes,
    )
    yield gauge(
        "monarq_schedule_interval_seconds",
        "The longest time between two of its next instants.",
        ("schedule",),
        intervals,
    )


def _heartbeats(census: Census, labels: Mapping[str, str]) -> Metric:
    told: dict[tuple[str, ...], float] = {}
    for name in beating(census.fleet):
        if (ms := census.heartbeats.get(name)) is not None:
            told[(labels[name],)] = max(told.get((labels[name],), 0), ms / 1000)
    return gauge(
        "monarq_heartbeat_job_timestamp_seconds",
        "When the last heartbeat job that has run was enqueued, of queues that live workers serve.",
        ("queue",),
        told,
    )


def _memory(memory: Memory) -> Iterator[Metric]:
    yield _one("monarq_redis_memory_used_bytes", "Memory that Redis uses.", memory.used_bytes)
    yield _one("monarq_redis_memory_max_bytes", "Memory that it may use; 0: no limit.", memory.most_bytes)
    yield _one("monarq_redis_evicting", "Whether it throws keys away when it is full.", memory.evicts)


def _outbox(counts: DatabaseCounts) -> Iterator[Metric]:
    depth = counts.outbox
    yield _one("monarq_outbox_pending_jobs", "Committed jobs that Redis has not got yet.", depth.waiting)
    yield _one("monarq_outbox_set_aside_jobs", "Those that could not be sent.", depth.set_aside)
    yield _one("monarq_outbox_lag_seconds", "Age of the oldest that waits.", depth.lag_seconds or 0)


def _per_queue(
    name: str, help_text: str, labelled: Labelled, value: Callable[[list[QueueNumbers]], float]
) -> Metric:
    return gauge(name, help_text, ("queue",), {(label,): value(queues) for label, queues in labelled.items()})


def _one(name: str, help_text: str, value: float) -> Metric:
    return gauge(name, help_text, (), {(): value})
