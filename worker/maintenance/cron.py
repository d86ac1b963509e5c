"""Enqueues arq's cron jobs: each instant once, however many workers know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

import structlog
from arq.cron import CronJob

from monarq.jobs.envelope import encode_head
from monarq.jobs.errors import StoreError
from monarq.jobs.identity import new_job_id
from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import Entry, enqueue

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

#: An instant is enqueued this long ahead; the server's clock then decides when it is due.
_AHEAD = timedelta(seconds=1)
#: Never sleep longer, so that a changed wall clock is noticed.
_LONGEST_SLEEP = 30.0


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

    async def run(self) -> None:
        """Enqueue until cancelled."""
        if not self._cron_jobs:
            return
        self._plan(self._now())
        while True:
            now = self._now()
            for cron_job in self._cron_jobs:
                await self._enqueue_due(cron_job, now + _AHEAD)
            await asyncio.sleep(self._until_next(self._now()))

    def _plan(self, now: datetime) -> None:
        for cron_job in self._cron_jobs:
            if cron_job.run_at_startup:
                cron_job.next_run = now
            else:
                cron_job.calculate_next(now)

    async def _enqueue_due(self, cron_job: CronJob, until: datetime) -> None:
        while cron_job.next_run is not None and cron_job.next_run <= until:
            await self._enqueue(cron_job, cron_job.next_run)
            cron_job.calculate_next(cron_job.next_run)

    async def _enqueue(self, cron_job: CronJob, instant: datetime) -> None:
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
                return

    def _until_next(self, now: datetime) -> float:
        instants = [cron_job.next_run for cron_job in self._cron_jobs if cron_job.next_run is not None]
        wait = (min(instants) - _AHEAD - now).total_seconds() if instants else _LONGEST_SLEEP
        return min(max(wait, 0.01), _LONGEST_SLEEP)

    def _now(self) -> datetime:
        return datetime.now(tz=self._timezone)
