"""Cron jobs whose time has passed: which are overdue, and which only look so."""

from datetime import datetime, timedelta, timezone
from typing import Any

from monarq.dashboard.overdue import find_overdue
from monarq.jobs.store.schedule import SeenSchedule
from monarq.jobs.store.workers import CronReport, LiveWorker

from .present import NOW, a_worker

MINUTE = timedelta(minutes=1)


def a_cron_worker(name: str, due: datetime | None, **given: Any) -> LiveWorker:
    told = {"queue": "mail", "name": "digest", "kind": "digest", "times": "09:30", "timezone": "None"}
    next_due_at = None if due is None else due.isoformat()
    return a_worker(name, cron=(CronReport(next_due_at=next_due_at, last_due_at=None, **told),), **given)


def a_memory(queue: str, due: datetime | None) -> SeenSchedule:
    told = {"kind": "digest", "times": "09:30", "timezone": "None", "is_unique": True, "worker": "gone"}
    told |= {"last_due_at": None, "last_job_id": None, "seen_at": NOW - timedelta(days=1)}
    return SeenSchedule(queue=queue, name="digest", next_due_at=due, **told)  # type: ignore[arg-type]


def late(*workers: LiveWorker, kept: tuple[SeenSchedule, ...] = ()) -> list[tuple[timedelta, bool]]:
    return [(one.late, one.has_worker) for one in find_overdue(workers, kept, NOW)]


def test_a_worker_that_does_not_enqueue_what_is_due_is_late_with_it() -> None:
    assert late(a_cron_worker("a", NOW - 2 * MINUTE)) == [(2 * MINUTE, True)]
    assert late(a_cron_worker("a", NOW - MINUTE)) == []
    assert late(a_cron_worker("a", NOW + MINUTE)) == []
    assert late(a_cron_worker("a", None)) == []
    elsewhere = (NOW - 2 * MINUTE).astimezone(timezone(timedelta(hours=5)))
    assert late(a_cron_worker("a", elsewhere)) == [(2 * MINUTE, True)]


def test_what_one_worker_enqueues_is_not_overdue_because_another_one_hangs() -> None:
    assert late(a_cron_worker("a", NOW - 5 * MINUTE), a_cron_worker("b", NOW + MINUTE)) == []


def test_a_worker_is_judged_by_the_time_of_its_report() -> None:
    assert late(a_cron_worker("a", NOW - timedelta(seconds=70), reported_ago_ms=10_000)) == []
    assert late(a_cron_worker("a", NOW - timedelta(seconds=71), reported_ago_ms=10_000)) != []


def test_a_schedule_that_no_live_worker_has_is_overdue_if_its_queue_has_none() -> None:
    kept = (a_memory("mail", NOW - 3 * MINUTE),)
    assert late(kept=kept) == [(3 * MINUTE, False)]
    assert late(a_worker("a", stopping=True), kept=kept) == [(3 * MINUTE, False)]
    assert late(kept=(a_memory("mail", NOW - MINUTE), a_memory("mail", None))) == []


def test_a_schedule_that_a_deploy_took_away_is_not_overdue() -> None:
    assert late(a_worker("a"), kept=(a_memory("mail", NOW - 3 * MINUTE),)) == []
    assert late(a_worker("a"), kept=(a_memory("other", NOW - 3 * MINUTE),)) == [(3 * MINUTE, False)]


def test_what_postgresql_remembers_is_not_told_twice() -> None:
    assert late(a_cron_worker("a", NOW - 2 * MINUTE), kept=(a_memory("mail", NOW - 2 * MINUTE),)) == [
        (2 * MINUTE, True)
    ]
