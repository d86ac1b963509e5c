"""`/v1/queues`: see queues, let them rest, let them go on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AwareDatetime, BaseModel, Field

from monarq.jobs.store.pauses import Pause

from ..access.permissions import Permission
from ..services.queues import QueueView
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs

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


class QueueDocument(BaseModel):
    """A queue in numbers."""

    queue: str
    ready: int
    running: int
    waiting: int = Field(description="scheduled, or retrying after a failure")
    dead: int
    counters: dict[str, int] = Field(description="since the queue exists")
    pauses: list[PauseDocument]


class QueueList(BaseModel):
    """All queues that the caller may see, by name."""

    items: list[QueueDocument]


class PauseOrder(Body):
    """What to pause."""

    why: str = Field(min_length=1, max_length=500, description="for those who wonder")
    kind: KindName | None = Field(None, description="only jobs of this kind")
    until: AwareDatetime | None = Field(None, description="when it is over by itself")
    now: bool = Field(False, description="hand running jobs back, unharmed; else they finish")


class ResumeOrder(Body):
    """What to resume."""

    kind: KindName | None = Field(None, description="only the pause of this kind")


class Resumed(BaseModel):
    """What came of it."""

    was_paused: bool


@router.get("/v1/queues", openapi_extra=needs(Permission.QUEUES_READ))
async def list_queues(caller: TheCaller, services: TheServices) -> QueueList:
    """List the queues."""
    return QueueList(items=[_queue(view) for view in await services.queues.list(caller)])


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


@router.get("/v1/queues/{queue:path}", openapi_extra=needs(Permission.QUEUES_READ))
async def get_queue(queue: QueueName, caller: TheCaller, services: TheServices) -> QueueDocument:
    """One queue."""
    return _queue(await services.queues.get(caller, queue))


def _queue(view: QueueView) -> QueueDocument:
    counts = view.counts
    return QueueDocument(
        queue=counts.queue,
        ready=counts.ready,
        running=counts.running,
        waiting=counts.waiting,
        dead=counts.dead,
        counters=counts.counters,
        pauses=[_pause(pause) for pause in view.pauses],
    )


def _pause(pause: Pause) -> PauseDocument:
    return PauseDocument(
        kind=pause.kind, by=pause.by, why=pause.why, at=pause.at, until=pause.until, now=pause.now
    )
