"""Cron jobs whose time has passed, and that nobody has enqueued."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monarq.jobs.store.schedule import SeenSchedule
from monarq.jobs.store.workers import LiveWorker

#: Clocks differ, and a worker may be busy for a moment.
GRACE = timedelta(minutes=1)

_Name = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """One of them."""

    queue: str
    name: str
    kind: str
    late: timedelta
    #: A live worker has it, and does not enqueue it.
    has_worker: bool


def find_overdue(
    workers: Sequence[LiveWorker], kept: Iterable[SeenSchedule], now: datetime
) -> Iterator[Overdue]:
    """All of them.

    Args:
        kept: Schedules that PostgreSQL remembers, of workers that are gone, too.
        now: When the workers were looked at.
    """
    live = [worker for worker in workers if worker.is_live]
    theirs = _of_workers(live, now)
    yield from (one for one in theirs.values() if one.late > GRACE)
    served = {queue for worker in live for queue in worker.queues}
    for one in kept:
        # where others serve its queue, a deploy may have taken it away
        is_gone = (one.queue, one.name) not in theirs and one.queue not in served
        if is_gone and one.next_due_at is not None and now - one.next_due_at > GRACE:
            late = now - one.next_due_at
            yield Overdue(queue=one.queue, name=one.name, kind=one.kind, late=late, has_worker=False)


def _of_workers(workers: Sequence[LiveWorker], now: datetime) -> dict[_Name, Overdue]:
    """How late each schedule is with the worker that is ahead of the others, when that reported."""
    found: dict[_Name, Overdue] = {}
    for worker in workers:
        reported_at = now - timedelta(milliseconds=worker.reported_ago_ms)
        for cron in worker.cron:
            due = None if cron.next_due_at is None else datetime.fromisoformat(cron.next_due_at)
            late = timedelta(0) if due is None else reported_at - due
            known = found.get((cron.queue, cron.name))
            if known is None or late < known.late:
                found[cron.queue, cron.name] = Overdue(
                    queue=cron.queue, name=cron.name, kind=cron.kind, late=late, has_worker=True
                )
    return found
