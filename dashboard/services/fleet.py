"""The whole at a glance, and how many workers it takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.settings import Settings
from monarq.jobs.store.memory import Memory
from monarq.jobs.store.workers import CronReport

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import WHOLE, Resource
from ..errors import NotPermitted
from ..overdue import Overdue, find_overdue
from ..snapshot import Freshness, Snapshot, Snapshots
from ..verdicts import SNAPSHOT_AGE, Verdict, judge
from .queues import QueueService, QueueView
from .workers import WorkerService, WorkerState, WorkerView


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetView:
    """All that the caller may see of the present."""

    queues: Sequence[QueueView]
    #: Empty also for who may not see workers.
    workers: Sequence[WorkerView]
    verdicts: Sequence[Verdict]
    #: Of what concerns the installation nothing is told to who may see only parts of it.
    memory: Memory | None
    outbox: int | None
    freshness: Freshness

    @property
    def versions(self) -> Sequence[str]:
        """Of the live workers, each once."""
        return sorted({view.worker.version for view in self.workers if view.state is WorkerState.LIVE})

    def next_cron_runs(self, limit: int) -> Sequence[CronReport]:
        """The cron jobs that are due next, each once, however many workers have it."""
        found = {(cron.queue, cron.name): cron for view in self.workers for cron in view.worker.cron}
        due = [cron for cron in found.values() if cron.next_due_at is not None]
        return sorted(due, key=lambda cron: cron.next_due_at or "")[:limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How much there is to do in one queue, and how many workers that takes."""

    view: QueueView
    #: For how long a job runs, on average: by Little's law from what runs and what ends.  None: not known.
    job_seconds: float | None
    slots_per_worker: float
    desired_workers: int


class FleetService:
    """Numbers of all that the caller may see."""

    def __init__(
        self,
        guard: Guard,
        queues: QueueService,
        workers: WorkerService,
        snapshots: Snapshots,
        settings: Settings,
    ) -> None:
        self._guard = guard
        self._queues = queues
        self._workers = workers
        self._snapshots = snapshots
        self._settings = settings

    async def overview(self, caller: Caller) -> FleetView:
        """The queues, the workers, and what is wrong."""
        queues = await self._queues.list(caller)
        workers = await self._visible_workers(caller)
        snapshot = await self._snapshots.take()
        sees_all = (await self._guard.scope(caller, Permission.QUEUES_READ)).covers(WHOLE)
        memory = snapshot.fleet.memory if sees_all else None
        age = timedelta(seconds=snapshot.freshness.age_seconds)
        return FleetView(
            queues=queues,
            workers=workers,
            verdicts=judge(
                [view.facts for view in queues],
                [view.worker for view in workers],
                memory,
                age,
                await self._overdue(caller, snapshot),
            ),
            memory=memory,
            outbox=snapshot.counts.outbox.waiting if sees_all and snapshot.counts else None,
            freshness=snapshot.freshness,
        )

    async def scaling(self, caller: Caller, queue: str) -> Scaling:
        """How many workers a queue wants.

        Raises:
            NotThere: There is none of this name, or it must not be seen.
            StoreUnavailable: All that is known is too old to act on.
        """
        view = await self._queues.get(caller, queue)
        if view.freshness.age_seconds > SNAPSHOT_AGE.total_seconds():
            raise StoreUnavailable("the last numbers are too old to act on")
        return scaling_of(view, self._settings.concurrency)

    async def _visible_workers(self, caller: Caller) -> Sequence[WorkerView]:
        try:
            return await self._workers.list(caller)
        except NotPermitted:
            return []

    async def _overdue(self, caller: Caller, snapshot: Snapshot) -> Sequence[Overdue]:
        """Cron jobs that nobody has enqueued, for who may see the workers that should."""
        try:
            scope = await self._guard.scope(caller, Permission.WORKERS_READ)
        except NotPermitted:
            return []
        # what PostgreSQL said before it went away would look late now
        counts = snapshot.counts if snapshot.freshness.postgres is None else None
        kept = () if counts is None else counts.schedules
        found = find_overdue(snapshot.fleet.workers, kept, snapshot.freshness.taken_at)
        return [one for one in found if scope.covers(Resource(queue=one.queue, kind=one.kind))]


def scaling_of(view: QueueView, concurrency: int) -> Scaling:
    """What runs keeps its slot; the backlog gets so many that it is through within the objective.

        job_seconds      running / completed per second
        backlog          ready + due within a minute; nothing of a paused queue
        slots            running + min(backlog, backlog * job_seconds / objective)
        desired_workers  slots / slots per worker, rounded up

    Without job_seconds (nothing has ended lately) each job of the backlog gets a slot.

    Args:
        concurrency: The slots of a worker where none serves the queue that could tell.
    """
    numbers, rate = view.numbers, view.rate
    backlog = 0 if numbers.pause is not None else numbers.claimable + numbers.due_soon
    job_seconds = numbers.running / rate.completed if rate is not None and rate.completed > 0 else None
    wanted = float(backlog)
    if job_seconds is not None:
        wanted = min(wanted, math.ceil(backlog * job_seconds / view.objective.total_seconds()))
        wanted = max(wanted, min(backlog, 1))
    per_worker = view.slots / len(view.workers) if view.workers else float(concurrency)
    return Scaling(
        view=view,
        job_seconds=job_seconds,
        slots_per_worker=per_worker,
        desired_workers=math.ceil((numbers.running + wanted) / per_worker),
    )
