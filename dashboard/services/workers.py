"""Workers: see them, tell them to drain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from monarq.jobs.store.execute import Transport
from monarq.jobs.store.orders import DrainOrder, order_drain
from monarq.jobs.store.workers import LiveWorker

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..audit import Audit
from ..errors import NotThere
from ..snapshot import Freshness, Snapshots

_WHAT = "worker"


class WorkerState(StrEnum):
    """What a worker does."""

    LIVE = "live"  #: claims jobs
    DRAINING = "draining"  #: finishes what runs, and claims no more
    STALE = "stale"  #: should have reported, and has not


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerView:
    """A worker, as far as the caller may see it: without queues, kinds and jobs that are hidden."""

    worker: LiveWorker
    #: Other live workers run another version.
    is_skewed: bool
    freshness: Freshness

    @property
    def id(self) -> str:
        """By this a list goes on."""
        return self.worker.worker

    @property
    def state(self) -> WorkerState:
        """What it does."""
        if self.worker.is_stale:
            return WorkerState.STALE
        return WorkerState.DRAINING if self.worker.stopping else WorkerState.LIVE

    @property
    def reported_at(self) -> datetime:
        """When it reported last."""
        return self.freshness.taken_at - timedelta(milliseconds=self.worker.reported_ago_ms)

    @property
    def started_at(self) -> datetime:
        """When it was started, by the server's clock."""
        return self.reported_at - timedelta(milliseconds=self.worker.up_ms)

    @property
    def report_age_seconds(self) -> float:
        """How long ago it reported."""
        return self.worker.reported_ago_ms / 1000 + self.freshness.age_seconds


class WorkerService:
    """Workers that serve a queue which the caller may see."""

    def __init__(self, transport: Transport, guard: Guard, audit: Audit, snapshots: Snapshots) -> None:
        self._transport = transport
        self._guard = guard
        self._audit = audit
        self._snapshots = snapshots

    async def list(self, caller: Caller) -> Sequence[WorkerView]:
        """By name."""
        scope = await self._guard.scope(caller, Permission.WORKERS_READ)
        snapshot = await self._snapshots.take()
        is_skewed = len(snapshot.fleet.versions()) > 1
        seen = ((worker, visible_part(worker, scope)) for worker in snapshot.fleet.workers)
        return [
            WorkerView(worker=part, is_skewed=is_skewed and worker.is_live, freshness=snapshot.freshness)
            for worker, part in seen
            if part is not None
        ]

    async def get(self, caller: Caller, worker_id: str) -> WorkerView:
        """One of them.

        Raises:
            NotThere: There is none of this name, or it must not be seen.
        """
        for view in await self.list(caller):
            if view.id == worker_id:
                return view
        raise NotThere(_WHAT)

    async def drain(self, caller: Caller, worker_id: str, *, why: str) -> None:
        """Tell a worker to claim no more, to finish what runs, and to end.  It obeys within seconds.

        Raises:
            NotThere: There is none of this name, or it must not be seen.
            NotPermitted: It also serves a queue that the caller may not drain.
        """
        scope = await self._guard.scope(caller, Permission.WORKERS_READ)
        workers = (await self._snapshots.take()).fleet.workers
        worker = next((one for one in workers if one.worker == worker_id), None)
        if worker is None or visible_part(worker, scope) is None:
            raise NotThere(_WHAT)
        queues = list(worker.queues)
        for queue in queues:
            await self._guard.require(caller, Permission.WORKERS_DRAIN, Resource(queue=queue))
        await order_drain(self._transport, worker_id, DrainOrder(by=caller.name, why=why))
        only = queues[0] if len(queues) == 1 else None
        await self._audit.record(caller, "worker.drain", worker_id, queue=only, why=why, queues=queues)


def visible_part(worker: LiveWorker, scope: Scope) -> LiveWorker | None:
    """A worker without what must not be seen of it; None if nothing is left.

    A worker that serves one queue in the scope is seen, for it explains that queue; its slots are told as
    they are.
    """

    def shows(queue: str, kind: str | None) -> bool:
        return scope.covers(Resource(queue=queue, kind=kind))

    queues = {name: weight for name, weight in worker.queues.items() if shows(name, None)}
    if not queues:
        return None
    kinds = [kind for kind in worker.kinds if any(shows(queue, kind) for queue in queues)]
    return replace(
        worker,
        queues=queues,
        kinds=kinds,
        max_attempts={kind: worker.max_attempts[kind] for kind in kinds if kind in worker.max_attempts},
        runs=tuple(run for run in worker.runs if shows(run.queue, run.kind)),
        cron=tuple(cron for cron in worker.cron if shows(cron.queue, cron.kind)),
        attempts=tuple(one for one in worker.attempts if shows(one.queue, one.kind)),
        starts=tuple(one for one in worker.starts if one.queue in queues),
    )
