"""What a worker says of itself: read by the dashboard, by `monarq health` and by `monarq why`."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterable, Mapping
from datetime import datetime
from heapq import nsmallest
from importlib.metadata import version
from typing import TYPE_CHECKING

from monarq.jobs.failure import clean
from monarq.jobs.store.verbs import milliseconds

from .children.system import resident_bytes
from .lately import Lately
from .maintenance.cron import Cron
from .run import Run, now_ms
from .runnable import Runnable

if TYPE_CHECKING:
    from .worker import Worker

#: Of what runs, so many are named: those that have run longest.
_MOST_RUNS = 100
_MOST_CRON_JOBS = 100
_MAX_CHARS = 600
_VERSION = version("monarq")


class Reporter:
    """Makes the report, in the thread of the heartbeat: from what is there anyway."""

    def __init__(
        self,
        worker: Worker,
        queues: dict[str, int],
        runnables: Mapping[str, Runnable],
        cron: Cron,
    ) -> None:
        self._worker = worker
        self._queues = queues
        self._runnables = runnables
        self._cron = cron
        self._lately = Lately(worker.vitals.meters) if worker.vitals.is_on else None
        self._started_ms = now_ms()

    def report(self) -> dict[str, object]:
        """The report as plain data; `LiveWorker` is how it is read."""
        store = self._worker.persistence
        lately = self._lately.report() if self._lately else {}
        told = {**self._identity(), **self._work(), **self._condition(), **lately}
        return told | (store.report() if store else {})

    def _identity(self) -> dict[str, object]:
        return {
            "worker": self._worker.worker_id,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "version": _VERSION,
            "python": platform.python_version(),
            "queues": self._queues,
            "kinds": sorted(self._runnables),
            "max_attempts": {kind: one.policy.max_attempts for kind, one in self._runnables.items()},
            "ageing_ms": milliseconds(self._worker.settings.ageing),
        }

    def _work(self) -> dict[str, object]:
        return {
            "slots": self._worker.slots.total,
            "busy": self._worker.slots.busy,
            "complete": self._worker.journal.complete,
            "failed": self._worker.journal.failed,
            "runs": _told_runs(list(self._worker.runs)),
            "cron": _told_cron(self._cron, is_watched=self._worker.vitals.is_on),
        }

    def _condition(self) -> dict[str, object]:
        return {
            "stopping": self._worker.fetcher.claims_no_more,
            "at_ms": now_ms(),
            "up_ms": now_ms() - self._started_ms,
            "rss_bytes": resident_bytes(),
            "loop_blocks": self._worker.journal.loop_blocks,
            "loop_lag_ms": round(self._worker.watchdog.take_lag() * 1000),
        }


def _told_runs(runs: Iterable[Run]) -> list[dict[str, object]]:
    now = now_ms()
    return [
        {
            "job_id": clean(run.job_id, _MAX_CHARS),
            "queue": run.claimed.queue.name,
            "kind": run.kind,
            "attempt": run.attempt,
            "age_ms": max(0, now - run.started_ms),
            "timeout_ms": _timeout_ms(run),
        }
        for run in nsmallest(_MOST_RUNS, runs, key=lambda run: run.started_ms)
    ]


def _timeout_ms(run: Run) -> int | None:
    seconds = run.runnable.timeout_seconds if run.runnable is not None else None
    return None if seconds is None else round(seconds * 1000)


def _told_cron(cron: Cron, *, is_watched: bool) -> list[dict[str, object]]:
    # who counts nothing writes down no successes, and so lets nobody wait for them
    intervals = cron.intervals() if is_watched else {}
    return [
        {
            "queue": schedule.queue,
            "name": schedule.name,
            "kind": schedule.kind,
            "times": schedule.times,
            "timezone": schedule.timezone,
            "next_due_at": _told(schedule.next_due_at),
            "last_due_at": _told(schedule.last_due_at),
            "interval_ms": intervals.get(schedule.name),
        }
        for schedule in cron.schedules()[:_MOST_CRON_JOBS]
    ]


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone().isoformat()
