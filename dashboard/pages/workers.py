"""`/workers`: who works, on what; and one of them, which can be told to drain."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from pydantic import Field
from starlette.responses import Response

from ..access.permissions import Permission
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.workers import WorkerId
from ..services.workers import WorkerState
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

_PLACE = "/workers"


class DrainForm(Body):
    """Why it is to drain."""

    why: str = Field(min_length=1, max_length=500)


@router.get("/workers", openapi_extra=needs(Permission.WORKERS_READ))
async def show_workers(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """All workers."""
    workers = await services.workers.list(caller)
    live = [view.worker for view in workers if view.state is WorkerState.LIVE]
    return await page(
        request,
        "workers/list.html",
        title="Workers",
        workers=workers,
        versions=sorted({worker.version for worker in live}),
        slots=sum(worker.slots for worker in live),
        busy=sum(worker.busy for worker in live),
        live=len(live),
    )


@router.get("/workers/{worker}", openapi_extra=needs(Permission.WORKERS_READ))
async def show_worker(
    worker: WorkerId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """One worker."""
    view = await services.workers.get(caller, worker)
    return await page(request, "workers/one.html", title=view.worker.worker, seen=view)


@router.post("/workers/{worker}/drain", openapi_extra=needs(Permission.WORKERS_DRAIN))
async def drain_worker(
    worker: WorkerId,
    form: Annotated[DrainForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Tell a worker to claim no more, to finish what runs, and to end."""
    await services.workers.drain(caller, worker, why=form.why)
    told = f"{worker} is told to drain: it claims no more, and ends when what runs is done."
    return go_on(request, _PLACE, told=told)
