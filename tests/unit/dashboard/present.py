"""Queues and workers, made up."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monarq.dashboard.services.queues import QueueView
from monarq.dashboard.snapshot import Freshness
from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.pauses import Pause
from monarq.jobs.store.rates import Rate
from monarq.jobs.store.workers import LiveWorker

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FRESH = Freshness(taken_at=NOW, age_seconds=0.0, redis=None, postgres=None)


def a_pause(kind: str | None = None) -> Pause:
    return Pause(queue="mail", kind=kind, by="ann", why="a test", at=NOW, until=None, now=False)


def numbers(**given: Any) -> QueueNumbers:
    """An empty queue, but for what is given."""
    empty: dict[str, Any] = dict.fromkeys(
        ("ready", "parked", "running", "scheduled", "retrying", "due_soon", "dead"), 0
    )
    empty |= {"queue": "mail", "at_ms": 0, "priorities": (), "counters": {}, "pauses": ()}
    return QueueNumbers(**{**empty, "oldest_ready": None, "oldest_parked": None, **given})


def a_rate(**given: float) -> Rate:
    """Nothing moves, but for what is given."""
    names = ("enqueued", "completed", "attempts", "retried", "dead", "lost", "ready_growth")
    return Rate(**{"over": 60.0, **dict.fromkeys(names, 0.0), **given})


def a_worker(name: str = "web-1", **given: Any) -> LiveWorker:
    """A worker that serves `mail`, idle."""
    told: dict[str, Any] = {"host": "web", "pid": 1, "queues": {"mail": 0}, "kinds": ["email.send"]}
    told |= {"max_attempts": {}, "ageing_ms": None, "slots": 10, "busy": 0, "stopping": False, "version": "1"}
    return LiveWorker(worker=name, **{**told, **given})


def a_view(
    *workers: LiveWorker,
    rate: Rate | None = None,
    lately: Rate | None = None,
    objective: float = 60.0,
    **given: Any,
) -> QueueView:
    """The queue `mail`, served by these workers."""
    return QueueView(
        numbers=numbers(**given),
        dead=0,
        objective=timedelta(seconds=objective),
        rate=rate,
        lately=lately,
        workers=workers,
        freshness=FRESH,
    )
