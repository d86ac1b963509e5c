"""`/kinds`: which kinds of jobs there are; one kind, and a form to enqueue a job of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from monarq.jobs.priority import Priority

from ..access.permissions import Permission
from ..routes.guarded import TheCaller, TheServices, needs
from ..services.kinds import KindView
from ..services.windows import Range
from .charts import TheRange, charts_of
from .enqueue_form import EnqueueForm, blank, read, submit
from .json_view import as_json
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

KindName = Annotated[str, Path(min_length=1, max_length=128)]


@router.get("/kinds", openapi_extra=needs(Permission.JOBS_READ))
async def show_kinds(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """All kinds."""
    kinds = await services.kinds.list(caller)
    return await page(request, "kinds/list.html", title="Kinds", kinds=kinds)


@router.get("/kinds/{kind:path}", openapi_extra=needs(Permission.JOBS_READ))
async def show_kind(
    kind: KindName,
    request: Request,
    caller: TheCaller,
    services: TheServices,
    range_: TheRange = Range.DAY,
) -> Response:
    """One kind, its numbers over time, and its form."""
    view = await services.kinds.get(caller, kind)
    charts = await charts_of(services, caller, range_, kind=kind)
    return await _show(request, view, blank(view), charts=charts, range=range_)


@router.post("/kinds/{kind:path}", openapi_extra=needs(Permission.JOBS_ENQUEUE))
async def enqueue(kind: KindName, request: Request, caller: TheCaller, services: TheServices) -> Response:
    """Enqueue a job as the form says; what is wrong with it is told at its fields."""
    view = await services.kinds.get(caller, kind)
    made = await submit(
        read(view, await request.form()),
        lambda form: services.enqueuing.enqueue(caller, form.order(form.args())),
    )
    if isinstance(made, EnqueueForm):
        return await _show(request, view, made)
    told = "Enqueued." if made.created else "It was there already: this job holds the id or the unique key."
    return go_on(request, "/jobs", made.job_id, told=told)


async def _show(request: Request, view: KindView, form: EnqueueForm, **numbers: Any) -> Response:
    is_refused = not form.is_sound
    return await page(
        request,
        "kinds/show.html",
        title=view.kind,
        status=422 if is_refused else 200,
        kind=view,
        form=form,
        priorities=list(Priority),
        schema=None if view.schema is None else as_json(view.schema),
        **numbers,
    )
