"""Enqueues arq's cron jobs: each instant once, however many workers know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import NamedTuple

import structlog
from arq.cron import CronJob

from monarq.jobs.envelope import encode_head
from monarq.jobs.errors import StoreError
from monarq.jobs.failure import clean
from monarq.jobs.identity import new_job_id
from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.schedule import Schedule
from monarq.jobs.store.verbs import Entry, enqueue

from ..outage import Outage
from .cron_words import words

log = structlog.get_logger("monarq.worker")

#: An instant is enqueued this long ahead; the server's clock then decides when it is due.
_AHEAD = timedelta(seconds=1)
#: Never sleep longer, so that a changed wall clock is noticed.
_LONGEST_SLEEP = 30.0
#: Of a name or an id, for those who look.
_MAX_CHARS = 600
#: Instants that are looked ahead for the longest gap: those of a working week and the one after it.
_LOOK_AHEAD = 10


class _Firing(NamedTuple):
    due_at: datetime
    job_id: str


class Cron:
    """Puts the next instants of cron jobs into the queue.

    Instants that pass while no worker lives are not made up.
    """

    def __init__(
        self, link: Transport, queue: QueueKeys, cron_jobs: Sequence[CronJob], timezone: tzinfo | None
    ) -> None:
        self._link = link
        self._queue = queue
        self._cron_jobs = cron_jobs
        self._timezone = timezone
        self._outage = Outage("cron")
        #: By the `id` of the cron job, which cannot be a key itself.
        self._last: dict[int, _Firing] = {}
        #: The same of the longest gap after an instant: it takes its time to find.
        self._gaps: dict[int, tuple[datetime, timedelta]] = {}
        #: Set when `schedules` says something new; cleared by who has seen it.
        self.changed = asyncio.Event()

    async def run(self) -> None:
        """Enqueue until cancelled."""
        if not self._cron_jobs:
            return
        self._plan(self._now())
        self.changed.set()
        while True:
            now = self._now()
            for cron_job in self._cron_jobs:
                await self._enqueue_due(cron_job, now + _AHEAD)
            await asyncio.sleep(self._until_next(self._now()))

    def schedules(self) -> list[Schedule]:
        """What there is to say of all of them."""
        return [self._schedule(name, cron_job) for name, cron_job in self._named().items()]

    def intervals(self) -> dict[str, int | None]:
        """By the schedule's name, the longest time between two of its next instants, ms."""
        return {name: self._interval_ms(cron_job) for name, cron_job in self._named().items()}

    @property
    def kinds(self) -> frozenset[str]:
        """Those of all of them."""
        return frozenset(cron_job.name for cron_job in self._cron_jobs)

    def _named(self) -> dict[str, CronJob]:
        named: dict[str, CronJob] = {}
        for cron_job in self._cron_jobs:
            name = kind = clean(cron_job.name, _MAX_CHARS)
            number = 1
            while name in named:
                number += 1
                name = f"{kind} ({number})"
            named[name] = cron_job
        return named

    def _interval_ms(self, cron_job: CronJob) -> int | None:
        due_at, last = cron_job.next_run, self._last.get(id(cron_job))
        if due_at is None:
            return None
        known = self._gaps.get(id(cron_job))
        if known is None or known[0] != due_at:
            known = self._gaps[id(cron_job)] = (due_at, longest_gap(cron_job, due_at))
        before = timedelta(0) if last is None else due_at - last.due_at
        return round(max(before, known[1]).total_seconds() * 1000)

    def _schedule(self, name: str, cron_job: CronJob) -> Schedule:
        last = self._last.get(id(cron_job))
        return Schedule(
            queue=clean(self._queue.name, _MAX_CHARS),
            name=name,
            kind=clean(cron_job.name, _MAX_CHARS),
            times=words(cron_job),
            timezone=str(self._timezone),
            is_unique=cron_job.unique or cron_job.job_id is not None,
            next_due_at=cron_job.next_run,
            last_due_at=last.due_at if last else None,
            last_job_id=clean(last.job_id, _MAX_CHARS) if last else None,
        )

    def _plan(self, now: datetime) -> None:
        for cron_job in self._cron_jobs:
            if cron_job.run_at_startup:
                cron_job.next_run = now
            else:
                cron_job.calculate_next(now)

    async def _enqueue_due(self, cron_job: CronJob, until: datetime) -> None:
        while cron_job.next_run is not None and cron_job.next_run <= until:
            instant = cron_job.next_run
            job_id = await self._enqueue(cron_job, instant)
            cron_job.calculate_next(instant)
            self._last[id(cron_job)] = _Firing(instant, job_id)
            self.changed.set()

    async def _enqueue(self, cron_job: CronJob, instant: datetime) -> str:
        if cron_job.job_id:
            job_id = cron_job.job_id
        elif cron_job.unique:
            job_id = f"{cron_job.name}:{round(instant.timestamp() * 1000)}"
        else:
            job_id = new_job_id()
        entry = Entry(job_id, Priority.NORMAL, instant, encode_head(cron_job.name, b"{}"))
        while True:
            try:
                await execute(self._link, enqueue(self._queue, [entry]))
            except StoreError as error:
                await self._outage.wait(error)
            else:
                self._outage.over()
                return job_id

    def _until_next(self, now: datetime) -> float:
        instants = [cron_job.next_run for cron_job in self._cron_jobs if cron_job.next_run is not None]
        wait = (min(instants) - _AHEAD - now).total_seconds() if instants else _LONGEST_SLEEP
        return min(max(wait, 0.01), _LONGEST_SLEEP)

    def _now(self) -> datetime:
        return datetime.now(tz=self._timezone)


def longest_gap(cron_job: CronJob, due_at: datetime) -> timedelta:
    """The longest time between two of the next instants after this one."""
    instants = [due_at]
    ahead = copy(cron_job)
    while len(instants) < _LOOK_AHEAD:
        ahead.calculate_next(instants[-1])
        if ahead.next_run is None:
            break
        instants.append(ahead.next_run)
    return max((later - earlier for earlier, later in pairwise(instants)), default=timedelta(0))
