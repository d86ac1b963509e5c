"""`/v1/queues`: see queues, let them rest, let them go on, empty them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, Field

from monarq.jobs.priority import Priority
from monarq.jobs.store.measure import PriorityNumbers
from monarq.jobs.store.pauses import Pause

from ..access.permissions import Permission
from ..services.queues import QueueView
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["queues"])

QueueName = Annotated[str, Path(max_length=128, description="May hold `/`.")]
KindName = Annotated[str, Field(max_length=128)]


class PauseDocument(BaseModel):
    """A pause of a queue, or of a kind in it."""

    kind: str | None = Field(description="null: the whole queue")
    by: str
    why: str
    at: datetime
    until: datetime | None = Field(description="null: until somebody resumes it")
    now: bool = Field(description="whether running jobs were handed back")


class PriorityDocument(BaseModel):
    """The jobs of one priority in a queue, without those of paused kinds."""

    priority: Priority
    ready: int
    running: int
    scheduled: int
    retrying: int
    oldest_ready_seconds: float | None


class QueueDocument(BaseModel):
    """A queue in numbers."""

    queue: str
    ready: int = Field(description="may be claimed now, or as soon as a pause is over")
    parked: int = Field(description="of these those that wait for the resume of their kind")
    running: int
    waiting: int = Field(description="scheduled, or retrying after a failure")
    scheduled: int
    retrying: int
    dead: int
    priorities: list[PriorityDocument] = Field(description="critical first")
    oldest_ready_seconds: float | None = Field(description="how long the oldest ready job has been ready")
    objective_seconds: float = Field(description="how long it may be: MONARQ_OBJECTIVES")
    is_late: bool
    enqueued_per_second: float | None = Field(description="null while it is not known")
    completed_per_second: float | None = Field(description="jobs that have ended, in whatever way")
    drain_seconds: float | None = Field(description="ready / completed_per_second")
    workers: int = Field(description="live ones that claim from it")
    slots: int = Field(description="of these workers; they may serve other queues, too")
    busy: int
    counters: dict[str, int] = Field(description="since the queue exists")
    pauses: list[PauseDocument]
    taken_at: datetime = Field(description="when it was counted")
    is_stale: bool = Field(description="Redis did not answer since")


class QueueList(BaseModel):
    """Queues that the caller may see, by name."""

    items: list[QueueDocument]
    next: str | None


class PauseOrder(Body):
    """What to pause."""

    why: str = Field(min_length=1, max_length=500, description="for those who wonder")
    kind: KindName | None = Field(None, description="only jobs of this kind")
    until: AwareDatetime | None = Field(None, description="when it is over by itself")
    now: bool = Field(False, description="hand running jobs back, unharmed; else they finish")


class ResumeOrder(Body):
    """What to resume."""

    kind: KindName | None = Field(None, description="only the pause of this kind")


class PurgeOrder(Body):
    """What to throw away."""

    confirm: str = Field(max_length=128, description="the name of the queue, once more")
    why: str = Field(min_length=1, max_length=500, description="for those who wonder; kept with each job")


class PurgeDocument(BaseModel):
    """What became of the jobs."""

    cancelled: int
    requested: int = Field(description="durable ones, which a worker ends")
    left: int = Field(description="still wait: ask again")


class Resumed(BaseModel):
    """What came of it."""

    was_paused: bool


@router.get("/v1/queues", openapi_extra=needs(Permission.QUEUES_READ))
async def list_queues(wanted: ThePage, caller: TheCaller, services: TheServices) -> QueueList:
    """List the queues."""
    page, following = wanted.cut_whole(await services.queues.list(caller))
    return QueueList(items=[queue_document(view) for view in page], next=following)


@router.post("/v1/queues/{queue:path}/pause", openapi_extra=needs(Permission.QUEUES_PAUSE))
async def pause_queue(
    queue: QueueName, order: PauseOrder, caller: TheCaller, services: TheServices
) -> PauseDocument:
    """Let nothing more of a queue, or of a kind in it, be started.  What is paused already is paused anew."""
    pause = await services.queues.pause(
        caller, queue, kind=order.kind, why=order.why, until=order.until, now=order.now
    )
    return _pause(pause)


@router.post("/v1/queues/{queue:path}/resume", openapi_extra=needs(Permission.QUEUES_PAUSE))
async def resume_queue(
    queue: QueueName, order: ResumeOrder, caller: TheCaller, services: TheServices
) -> Resumed:
    """End a pause: what was held up goes on at its old place."""
    return Resumed(was_paused=await services.queues.resume(caller, queue, kind=order.kind))


@router.post("/v1/queues/{queue:path}/purge", openapi_extra=needs(Permission.QUEUES_PURGE))
async def purge_queue(
    queue: QueueName, order: PurgeOrder, caller: TheCaller, services: TheServices
) -> PurgeDocument:
    """Cancel every job of a queue that waits.  What runs goes on, and dead letters stay.

    A large queue takes several calls: `left` says whether there is more.
    """
    purged = await services.queues.purge(caller, queue, confirm=order.confirm, why=order.why)
    return PurgeDocument(**purged.as_document())


@router.get("/v1/queues/{queue:path}", openapi_extra=needs(Permission.QUEUES_READ))
async def get_queue(queue: QueueName, caller: TheCaller, services: TheServices) -> QueueDocument:
    """One queue."""
    return queue_document(await services.queues.get(caller, queue))


def queue_document(view: QueueView) -> QueueDocument:
    """A queue as the API tells it."""
    numbers, rate = view.numbers, view.rate
    return QueueDocument(
        queue=numbers.queue,
        ready=numbers.ready,
        parked=numbers.parked,
        running=numbers.running,
        waiting=numbers.waiting,
        scheduled=numbers.scheduled,
        retrying=numbers.retrying,
        dead=view.dead,
        priorities=[_priority(one) for one in numbers.priorities],
        oldest_ready_seconds=seconds(numbers.oldest_ready),
        objective_seconds=view.objective.total_seconds(),
        is_late=view.facts.is_late,
        enqueued_per_second=rate.enqueued if rate else None,
        completed_per_second=rate.completed if rate else None,
        drain_seconds=view.drain_seconds,
        workers=len(view.workers),
        slots=view.slots,
        busy=view.busy,
        counters=numbers.counters,
        pauses=[_pause(pause) for pause in numbers.pauses],
        taken_at=view.freshness.taken_at,
        is_stale=view.freshness.is_stale,
    )


def seconds(span: timedelta | None) -> float | None:
    """A span as JSON has it."""
    return None if span is None else span.total_seconds()


def _priority(numbers: PriorityNumbers) -> PriorityDocument:
    return PriorityDocument(
        priority=numbers.priority,
        ready=numbers.ready,
        running=numbers.running,
        scheduled=numbers.scheduled,
        retrying=numbers.retrying,
        oldest_ready_seconds=seconds(numbers.oldest_ready),
    )


def _pause(pause: Pause) -> PauseDocument:
    return PauseDocument(
        kind=pause.kind, by=pause.by, why=pause.why, at=pause.at, until=pause.until, now=pause.now
    )
