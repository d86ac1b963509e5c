"""What `monarq top` tells, as rows for tables and as one document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from ..pages.words import bytes_in_words, number, plural, rough
from ..services.fleet import FleetView
from ..services.queues import QueueState, QueueView
from ..services.workers import WorkerState, WorkerView
from ..verdicts import Verdict

Row = Mapping[str, str]

#: Those of numbers, which stand at the right.
_COUNTED = ("ready", "running", "waiting", "dead", "oldest", "in/s", "out/s", "drain", "workers")
QUEUE_COLUMNS = ("queue", "state", *_COUNTED)
WORKER_COLUMNS = ("worker", "state", "queues", "busy", "slots", "loop lag", "memory", "up", "version")
RUN_COLUMNS = ("job", "kind", "queue", "attempt", "runs for", "worker")
NUMBERS = frozenset({*_COUNTED, "busy", "slots", "loop lag", "memory", "up", "attempt", "runs for"})

#: What wants to be seen first.
_ORDER = (QueueState.UNSERVED, QueueState.LATE, QueueState.PAUSED, QueueState.ACTIVE, QueueState.IDLE)


def summary(view: FleetView) -> str:
    """All of it in a line."""
    queues = [queue.numbers for queue in view.queues]
    live = [one.worker for one in view.workers if one.state is WorkerState.LIVE]
    memory = view.memory
    told = [
        f"{number(sum(one.ready for one in queues))} ready",
        f"{number(sum(one.running for one in queues))} running",
        f"{number(sum(one.waiting for one in queues))} waiting",
        f"{number(sum(queue.dead for queue in view.queues))} dead",
        f"{plural(len(live), 'worker')}, {number(sum(one.busy for one in live))} of "
        f"{plural(sum(one.slots for one in live), 'slot')} busy",
    ]
    if memory is not None:
        most = f" of {bytes_in_words(memory.most_bytes)}" if memory.most_bytes else ""
        told.append(f"Redis {bytes_in_words(memory.used_bytes)}{most}")
    if view.outbox is not None:
        told.append(f"outbox {number(view.outbox)}")
    return "  ·  ".join(told)


def staleness(view: FleetView) -> str:
    """That the numbers are old, and why; empty if they are not."""
    if not view.freshness.is_stale:
        return ""
    age = rough(view.freshness.age_seconds)
    return f"Redis does not answer ({view.freshness.redis}): these numbers are {age} old"


def sentence(verdict: Verdict) -> str:
    """What is wrong, and how to mend it."""
    mend = verdict.command or verdict.mend
    return printable(f"{verdict.sentence}: {mend}" if mend else verdict.sentence)


def queue_rows(view: FleetView) -> list[Row]:
    """Every queue, those first that want somebody to look."""

    def place(queue: QueueView) -> tuple[int, int, str]:
        return _ORDER.index(queue.state), -(queue.numbers.ready + queue.numbers.running), queue.id

    return [_queue_row(queue) for queue in sorted(view.queues, key=place)]


def worker_rows(view: FleetView) -> list[Row]:
    """Every worker, by name."""
    return [_worker_row(worker) for worker in view.workers]


def run_rows(view: FleetView) -> list[Row]:
    """The jobs that have run for the longest time, as far as workers name them."""
    found = sorted(_runs(view.workers), key=lambda one: -one[0])
    return [row for _, row in found]


def printable(text: str) -> str:
    """Somebody else's words, harmless to a terminal."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _queue_row(queue: QueueView) -> Row:
    numbers, rate = queue.numbers, queue.rate
    return {
        "queue": printable(queue.id),
        "state": str(queue.state),
        "ready": number(numbers.ready),
        "running": number(numbers.running),
        "waiting": number(numbers.waiting),
        "dead": number(queue.dead),
        "oldest": rough(numbers.oldest_ready) if numbers.oldest_ready is not None else "",
        "in/s": _pace(rate.enqueued if rate else None),
        "out/s": _pace(rate.completed if rate else None),
        "drain": rough(queue.drain_seconds) if queue.drain_seconds else "",
        "workers": number(len(queue.workers)),
    }


def _worker_row(view: WorkerView) -> Row:
    worker = view.worker
    return {
        "worker": printable(worker.worker),
        "state": str(view.state),
        "queues": printable(" ".join(worker.queues)),
        "busy": number(worker.busy),
        "slots": number(worker.slots),
        "loop lag": f"{worker.loop_lag_ms} ms",
        "memory": bytes_in_words(worker.rss_bytes),
        "up": rough(worker.up_ms / 1000),
        "version": printable(worker.version),
    }


def _runs(workers: Iterable[WorkerView]) -> Iterator[tuple[float, Row]]:
    for view in workers:
        for run in view.worker.runs:
            seconds = run.age_ms / 1000 + view.report_age_seconds
            yield (
                seconds,
                {
                    "job": printable(run.job_id),
                    "kind": printable(run.kind or ""),
                    "queue": printable(run.queue),
                    "attempt": number(run.attempt),
                    "runs for": rough(seconds),
                    "worker": printable(view.worker.worker),
                },
            )


def _pace(per_second: float | None) -> str:
    return "" if per_second is None else f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.1f}"


# --- for programs


def document(view: FleetView) -> dict[str, Any]:
    """All of it as plain data."""
    freshness, memory = view.freshness, view.memory
    return {
        "taken_at": freshness.taken_at.isoformat(),
        "age_seconds": round(freshness.age_seconds, 3),
        "redis": freshness.redis or "ok",
        # its outbox was counted, or there is none
        "postgres": freshness.postgres or (None if view.outbox is None else "ok"),
        "verdicts": [asdict(verdict) for verdict in view.verdicts],
        "queues": [_queue(queue) for queue in view.queues],
        "workers": [{"state": worker.state, **asdict(worker.worker)} for worker in view.workers],
        "memory": None if memory is None else asdict(memory),
        "outbox": view.outbox,
    }


def _queue(queue: QueueView) -> dict[str, Any]:
    numbers, rate = queue.numbers, queue.rate
    oldest = numbers.oldest_ready
    return {
        "queue": queue.id,
        "state": queue.state,
        "ready": numbers.ready,
        "running": numbers.running,
        "scheduled": numbers.scheduled,
        "retrying": numbers.retrying,
        "dead": queue.dead,
        "oldest_ready_seconds": None if oldest is None else oldest.total_seconds(),
        "objective_seconds": queue.objective.total_seconds(),
        "enqueued_per_second": rate and rate.enqueued,
        "completed_per_second": rate and rate.completed,
        "drain_seconds": queue.drain_seconds,
        "workers": len(queue.workers),
        "pauses": [pause.as_document() for pause in numbers.pauses],
    }
