"""`/jobs/{id}`: one job: what it has been through, why it is where it is, and what can be done about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Form, Request
from pydantic import field_validator
from starlette.responses import Response

from monarq.jobs.errors import StoreError
from monarq.jobs.priority import Priority
from monarq.jobs.state import State

from ..access.ownership import plain_tags
from ..access.permissions import Permission
from ..errors import NotPermitted, NotThere
from ..routes.guarded import TheCaller, TheServices, TheVisit, needs
from ..routes.job_ids import JobId
from ..routes.jobs import CancelOrder, MoveOrder, PriorityOrder
from ..services.enqueuing import Enqueued
from ..services.job_view import JobView
from ..services.kinds import KindView
from ..visit import Visit
from .addresses import build
from .enqueue_form import EnqueueForm, blank, read, submit
from .json_view import shown_json
from .rendering import go_on, page
from .route import Page
from .snippets import as_command, as_curl, as_python
from .timeline import timeline

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.repositories.audit import Act

router = APIRouter(route_class=Page)

_WAITS = (State.SCHEDULED, State.READY, State.RETRYING)
#: How old something was when the sentence was made: a page that only became older is the same page.
_AGES = re.compile(r" \((?:in )?[\d.]+ (?:s|min|h|d)(?: ago)?\)")
#: Arguments of a command that somebody would still read.
_LONGEST_COPIED = 8_000


class MoveForm(MoveOrder):
    """When it is to start; what is left empty is not given."""

    @field_validator("at", "delay", mode="before")
    @classmethod
    def _unless_empty(cls, text: Any) -> Any:
        return None if text == "" else text


@router.post("/jobs/{job_id:job}/retry", openapi_extra=needs(Permission.JOBS_RETRY))
async def retry(job_id: JobId, request: Request, caller: TheCaller, services: TheServices) -> Response:
    """Replay it, or let it start now."""
    job = await services.jobs.retry(caller, job_id)
    return go_on(request, "/jobs", job_id, told=f"It is {job.state} again, with a fresh try.")


@router.post("/jobs/{job_id:job}/cancel", openapi_extra=needs(Permission.JOBS_CANCEL))
async def cancel(
    job_id: JobId,
    form: Annotated[CancelOrder, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """End it, or ask its worker to."""
    job = await services.jobs.cancel(caller, job_id, reason=form.reason)
    told = "It is cancelled." if job.state is State.CANCELLED else "Its worker is asked to stop it."
    return go_on(request, "/jobs", job_id, told=told)


@router.post("/jobs/{job_id:job}/reschedule", openapi_extra=needs(Permission.JOBS_EDIT))
async def reschedule(
    job_id: JobId,
    form: Annotated[MoveForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Let it start at another time, or now."""
    job = await services.jobs.reschedule(caller, job_id, due=form.due)
    told = "It may start now." if job.state is State.READY else "It starts at another time now."
    return go_on(request, "/jobs", job_id, told=told)


@router.post("/jobs/{job_id:job}/priority", openapi_extra=needs(Permission.JOBS_EDIT))
async def set_priority(
    job_id: JobId,
    form: Annotated[PriorityOrder, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Let it wait with another priority."""
    await services.jobs.set_priority(caller, job_id, form.priority)
    return go_on(request, "/jobs", job_id, told=f"Its priority is {form.priority} now.")


@router.get("/jobs/{job_id:job}/again", openapi_extra=needs(Permission.JOBS_PAYLOAD))
async def show_again(job_id: JobId, request: Request, caller: TheCaller, services: TheServices) -> Response:
    """The form of its kind, filled in with what it has."""
    job = await services.jobs.get(caller, job_id)
    kind = await services.kinds.get(caller, job.kind or "")
    form = blank(kind, job.arguments or {}, _options_in_words(job))
    return await _show_again(request, job, kind, form)


@router.post("/jobs/{job_id:job}/again", openapi_extra=needs(Permission.JOBS_ENQUEUE))
async def enqueue_again(
    job_id: JobId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Enqueue another job like it, with the arguments of the form."""
    job = await services.jobs.get(caller, job_id)
    kind = await services.kinds.get(caller, job.kind or "")

    async def enqueue(form: EnqueueForm) -> Enqueued:
        args = form.args()
        if not job.is_payload_hidden:
            args = await services.jobs.with_secrets(caller, job_id, args)
        return await services.enqueuing.enqueue(caller, form.order(args), like=job_id)

    made = await submit(read(kind, await request.form()), enqueue)
    if isinstance(made, EnqueueForm):
        return await _show_again(request, job, kind, made)
    return go_on(request, "/jobs", made.job_id, told=f"Enqueued anew; the job before it is {job_id}.")


@router.get("/jobs/{job_id:job}", openapi_extra=needs(Permission.JOBS_READ))
async def show_job(
    job_id: JobId, request: Request, caller: TheCaller, services: TheServices, visit: TheVisit
) -> Response:
    """All that is known of it."""
    job = await services.jobs.get(caller, job_id)
    kind, arguments = await _kind_of(job, caller, services), shown_json(job.arguments)
    can_be_copied = isinstance(job.arguments, dict) and len(arguments.text) <= _LONGEST_COPIED
    return await page(
        request,
        "job/show.html",
        title=job.kind or "A job that cannot be read",
        job=job,
        kind=kind,
        tags=plain_tags(job.tags),
        trace_url=_trace_url(job, services.settings.trace_url),
        waits=job.state in _WAITS and job.outbox is None,
        topics=_topics(job),
        why=_AGES.sub("", (await services.jobs.why(caller, job_id)).sentence),
        steps=timeline(job, await _runs_since(job, caller, services)),
        arguments=arguments,
        result=shown_json(job.result),
        snippets=_snippets(job, kind, visit, request) if can_be_copied else [],
        priorities=list(Priority),
        acts=await _acts(job_id, caller, services),
    )


async def _runs_since(job: JobView, caller: TheCaller, services: TheServices) -> datetime | None:
    """When its attempt has begun, as far as its worker has said so and the caller may see that worker."""
    if job.state is not State.RUNNING or job.worker is None:
        return None
    try:
        view = await services.workers.get(caller, job.worker)
    except (NotThere, NotPermitted):
        return None
    for run in view.worker.runs:
        if (run.job_id, run.attempt) == (job.job_id, job.starts):
            return (view.reported_at - timedelta(milliseconds=run.age_ms)).replace(microsecond=0)
    return None


def _trace_url(job: JobView, template: str | None) -> str | None:
    if template is None or job.trace_id is None:
        return None
    return template.replace("{trace_id}", job.trace_id)


def _topics(job: JobView) -> str:
    """What changes the page: workers tell of a job as well as they can, and its queue has other numbers."""
    own = f"job:{job.job_id}"
    return own if job.state.is_final else f"{own} queue:{job.queue}"


async def _show_again(request: Request, job: JobView, kind: KindView, form: EnqueueForm) -> Response:
    return await page(
        request,
        "job/again.html",
        title="Edit and enqueue anew",
        status=200 if form.is_sound else 422,
        job=job,
        kind=kind,
        form=form,
        priorities=list(Priority),
    )


async def _kind_of(job: JobView, caller: TheCaller, services: TheServices) -> KindView | None:
    try:
        return await services.kinds.get(caller, job.kind or "")
    except NotThere:
        return None


async def _acts(job_id: str, caller: TheCaller, services: TheServices) -> Sequence[Act]:
    """What was done to it by hand, as far as the caller may know, and as far as it can be known now."""
    try:
        return await services.audit.about(caller, job_id)
    except StoreError:
        return []


def _options_in_words(job: JobView) -> dict[str, str]:
    tags = " ".join(plain_tags(job.tags))
    return {"queue": job.queue, "priority": str(job.priority or ""), "tags": tags}


def _snippets(job: JobView, kind: KindView | None, visit: Visit, request: Request) -> list[tuple[str, str]]:
    options: dict[str, Any] = {"queue": job.queue}
    if job.priority is not None:
        options["priority"] = str(job.priority)
    if tags := plain_tags(job.tags):
        options["tags"] = tags
    address = visit.origin + build(request.scope.get("root_path", ""), "/v1/jobs")
    return [
        ("curl", as_curl(address, job.kind or "", job.arguments, options)),
        ("Command line", as_command(job.kind or "", job.arguments, options)),
        ("Python", as_python(kind.origin if kind else None, job.kind or "", job.arguments, options)),
    ]
