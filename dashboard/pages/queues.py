"""`/queues`: all of them, and one with what can be done to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import BeforeValidator, Field
from starlette.responses import Response

from ..access.caller import Caller
from ..access.permissions import Permission
from ..diagnosis import diagnose
from ..errors import NotPermitted
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.queues import QueueName
from ..services.queues import QueueView
from ..services.services import Services
from ..services.windows import Range
from ..services.workers import WorkerState, WorkerView
from ..verdicts import judge_queue
from .charts import TheRange, charts_of
from .overview import sparklines
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

_PLACE = "/queues"
Why = Annotated[str, Field(min_length=1, max_length=500)]

#: What a list can be sorted by; downwards with `-` before it.
_SORTS: dict[str, Callable[[QueueView], Any]] = {
    "queue": lambda view: view.id,
    "ready": lambda view: view.numbers.ready,
    "running": lambda view: view.numbers.running,
    "scheduled": lambda view: view.numbers.scheduled,
    "retrying": lambda view: view.numbers.retrying,
    "dead": lambda view: view.dead,
    "oldest": lambda view: view.numbers.oldest_ready or timedelta(0),
    "workers": lambda view: len(view.workers),
}
Sort = Annotated[str, Query(pattern=f"^-?({'|'.join(_SORTS)})$")]


class PauseForm(Body):
    """What to pause, and for how long."""

    why: Why
    kind: Annotated[str | None, Field(max_length=128), BeforeValidator(lambda text: text or None)] = None
    minutes: Annotated[int | None, Field(ge=1, le=525_600), BeforeValidator(lambda text: text or None)] = None
    now: bool = False


class ResumeForm(Body):
    """What to resume."""

    kind: Annotated[str | None, Field(max_length=128), BeforeValidator(lambda text: text or None)] = None


class PurgeForm(Body):
    """The name of the queue, and why it is emptied."""

    typed: str = Field(max_length=128)
    why: Why


@router.get("/queues", openapi_extra=needs(Permission.QUEUES_READ))
async def show_queues(
    request: Request, caller: TheCaller, services: TheServices, sort: Sort = "queue"
) -> Response:
    """All queues."""
    by, is_falling = sort.removeprefix("-"), sort.startswith("-")
    queues = sorted(await services.queues.list(caller), key=_SORTS[by], reverse=is_falling)
    lines = await sparklines(caller, services)
    return await page(request, "queues/list.html", title="Queues", queues=queues, lines=lines, sort=sort)


@router.get("/queues/{queue:path}", openapi_extra=needs(Permission.QUEUES_READ))
async def show_queue(
    queue: QueueName,
    request: Request,
    caller: TheCaller,
    services: TheServices,
    range_: TheRange = Range.HOUR,
) -> Response:
    """One queue."""
    view = await services.queues.get(caller, queue)
    workers = [worker for worker in await _workers(caller, services) if queue in worker.worker.queues]
    stopping = [worker for worker in workers if worker.state is not WorkerState.LIVE]
    return await page(
        request,
        "queues/one.html",
        title=queue,
        queue=view,
        workers=workers,
        verdicts=list(judge_queue(view.facts)),
        diagnosis=diagnose(view.facts, len(stopping)),
        lines=await sparklines(caller, services),
        range=range_,
        charts=await charts_of(services, caller, range_, queue=queue, objective=view.objective),
    )


@router.post("/queues/{queue:path}/pause", openapi_extra=needs(Permission.QUEUES_PAUSE))
async def pause_queue(
    queue: QueueName,
    form: Annotated[PauseForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Let nothing more of a queue, or of a kind in it, be started."""
    until = None if form.minutes is None else timedelta(minutes=form.minutes)
    await services.queues.pause(caller, queue, kind=form.kind, why=form.why, until=until, now=form.now)
    return go_on(request, _PLACE, queue, told=f"{form.kind or queue} is paused: nothing more of it starts.")


@router.post("/queues/{queue:path}/resume", openapi_extra=needs(Permission.QUEUES_PAUSE))
async def resume_queue(
    queue: QueueName,
    form: Annotated[ResumeForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """End a pause."""
    was_paused = await services.queues.resume(caller, queue, kind=form.kind)
    told = "goes on: each job at its old place." if was_paused else "was not paused."
    return go_on(request, _PLACE, queue, told=f"{form.kind or queue} {told}")


@router.post("/queues/{queue:path}/purge", openapi_extra=needs(Permission.QUEUES_PURGE))
async def purge_queue(
    queue: QueueName,
    form: Annotated[PurgeForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Cancel every job of a queue that waits."""
    purged = await services.queues.purge(caller, queue, confirm=form.typed, why=form.why)
    told = f"{purged.cancelled:,} jobs are cancelled."
    if purged.requested:
        told += f" {purged.requested:,} durable ones are ended by a worker."
    if purged.left > purged.requested:
        told += f" {purged.left - purged.requested:,} still wait: purge again to go on."
    return go_on(request, _PLACE, queue, told=told)


async def _workers(caller: Caller, services: Services) -> list[WorkerView]:
    try:
        return list(await services.workers.list(caller))
    except NotPermitted:
        return []
