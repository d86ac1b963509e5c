"""`/v1/stats`: the present in numbers; `/v1/scaling`: how many workers it takes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ..access.permissions import Permission
from ..services.fleet import FleetView, Scaling
from ..services.workers import WorkerState
from ..verdicts import Level, Verdict
from .guarded import Guarded, TheCaller, TheServices, needs
from .queues import seconds
from .workers import CronDocument, cron_document

router = APIRouter(route_class=Guarded, tags=["stats"])

_CRON_RUNS = 5


class TotalsDocument(BaseModel):
    """All queues that the caller may see, added up."""

    queues: int
    ready: int
    running: int
    scheduled: int
    retrying: int
    parked: int
    dead: int
    enqueued_per_second: float | None = Field(description="null while it is not known")
    completed_per_second: float | None


class WorkersDocument(BaseModel):
    """The workers that the caller may see, by what they do."""

    live: int
    draining: int
    stale: int
    slots: int = Field(description="of the live ones")
    busy: int
    versions: list[str] = Field(description="of the live ones; several: a deploy is not finished")


class VerdictDocument(BaseModel):
    """Something that is not as it should be."""

    alert: str = Field(description="the alert of the same condition")
    level: Level
    queue: str | None
    worker: str | None
    kind: str | None
    sentence: str
    mend: str = Field(description="what to do, if that can be said; may be empty")
    command: str = Field(description="the same as a command; may be empty")


class MemoryDocument(BaseModel):
    """The memory of Redis."""

    used_bytes: int
    most_bytes: int = Field(description="0: no limit")
    evicts: bool


class StoresDocument(BaseModel):
    """Whether the stores answer: `ok`, or a code of what keeps them."""

    redis: str
    postgres: str | None = Field(description="null: this dashboard has none")


class StatsDocument(BaseModel):
    """The present in numbers."""

    taken_at: datetime
    age_seconds: float
    stores: StoresDocument
    totals: TotalsDocument
    workers: WorkersDocument
    verdicts: list[VerdictDocument] = Field(description="the worst first; none: it is healthy")
    cron: list[CronDocument] = Field(description="cron jobs of live workers that are due next")
    memory: MemoryDocument | None = Field(description="for who may see all queues")
    outbox: int | None = Field(description="rows that wait for the relay; for who may see all queues")


class ScalingDocument(BaseModel):
    """How much there is to do in one queue, and how many workers that takes."""

    queue: str
    ready: int
    running: int
    due_60s: int = Field(description="due within a minute")
    oldest_age: float = Field(description="seconds; 0 if none is ready")
    seconds_to_drain: float | None = Field(description="ready / completed per second; null: not known")
    workers: int = Field(description="live ones")
    slots_per_worker: float
    job_seconds: float | None = Field(description="running / completed per second; null: not known")
    desired_workers: int = Field(
        description="(running + min(backlog, backlog * job_seconds / objective)) / slots_per_worker, rounded "
        "up; the backlog is what is ready or due within a minute, and nothing of a paused queue"
    )
    taken_at: datetime


@router.get("/v1/stats", openapi_extra=needs(Permission.QUEUES_READ))
async def get_stats(caller: TheCaller, services: TheServices) -> StatsDocument:
    """Tell the present in numbers, and what is wrong."""
    view = await services.fleet.overview(caller)
    freshness, memory = view.freshness, view.memory
    return StatsDocument(
        taken_at=freshness.taken_at,
        age_seconds=freshness.age_seconds,
        stores=_stores(view, has_postgres=services.database is not None),
        totals=_totals(view),
        workers=_workers(view),
        verdicts=[_verdict(verdict) for verdict in view.verdicts],
        cron=[cron_document(cron) for cron in view.next_cron_runs(_CRON_RUNS)],
        memory=None if memory is None else MemoryDocument.model_validate(memory, from_attributes=True),
        outbox=view.outbox,
    )


@router.get("/v1/scaling", openapi_extra=needs(Permission.QUEUES_READ))
async def get_scaling(
    queue: Annotated[str, Query(max_length=128, description="Of which queue.")],
    caller: TheCaller,
    services: TheServices,
) -> ScalingDocument:
    """Tell an autoscaler how many workers a queue wants."""
    return _scaling(await services.fleet.scaling(caller, queue))


def _stores(view: FleetView, *, has_postgres: bool) -> StoresDocument:
    freshness = view.freshness
    return StoresDocument(
        redis=freshness.redis or "ok", postgres=(freshness.postgres or "ok") if has_postgres else None
    )


def _totals(view: FleetView) -> TotalsDocument:
    rates = [queue.rate for queue in view.queues if queue.rate is not None]
    numbers = [queue.numbers for queue in view.queues]
    return TotalsDocument(
        queues=len(numbers),
        ready=sum(one.ready for one in numbers),
        running=sum(one.running for one in numbers),
        scheduled=sum(one.scheduled for one in numbers),
        retrying=sum(one.retrying for one in numbers),
        parked=sum(one.parked for one in numbers),
        dead=sum(queue.dead for queue in view.queues),
        enqueued_per_second=sum(rate.enqueued for rate in rates) if rates else None,
        completed_per_second=sum(rate.completed for rate in rates) if rates else None,
    )


def _workers(view: FleetView) -> WorkersDocument:
    states = [worker.state for worker in view.workers]
    live = [worker.worker for worker in view.workers if worker.state is WorkerState.LIVE]
    return WorkersDocument(
        live=len(live),
        draining=states.count(WorkerState.DRAINING),
        stale=states.count(WorkerState.STALE),
        slots=sum(worker.slots for worker in live),
        busy=sum(worker.busy for worker in live),
        versions=list(view.versions),
    )


def _verdict(verdict: Verdict) -> VerdictDocument:
    return VerdictDocument.model_validate(verdict, from_attributes=True)


def _scaling(scaling: Scaling) -> ScalingDocument:
    view = scaling.view
    return ScalingDocument(
        queue=view.numbers.queue,
        ready=view.numbers.ready,
        running=view.numbers.running,
        due_60s=view.numbers.due_soon,
        oldest_age=seconds(view.numbers.oldest_ready) or 0.0,
        seconds_to_drain=view.drain_seconds,
        workers=len(view.workers),
        slots_per_worker=scaling.slots_per_worker,
        job_seconds=scaling.job_seconds,
        desired_workers=scaling.desired_workers,
        taken_at=view.freshness.taken_at,
    )
