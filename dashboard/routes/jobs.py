"""`/v1/jobs/{id}`: one job: see it, wait for it, ask why, retry, cancel, reschedule it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from monarq.jobs.priority import Priority
from monarq.jobs.state import State

from ..access.permissions import Permission
from ..conditional import IfMatch
from ..services.job_view import JobView
from ..services.jobs import LONGEST_WAIT
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .job_documents import JobDocument, job_document
from .job_ids import JobId

router = APIRouter(route_class=Guarded, tags=["jobs"])

#: Ten years.
LONGEST_DELAY_SECONDS = 315_360_000
Wait = Annotated[
    float, Query(ge=0, le=LONGEST_WAIT.total_seconds(), description="Seconds to wait for its end, at most.")
]


class CancelOrder(Body):
    """Why it is to end."""

    reason: str = Field("", max_length=500, description="kept with the job's end")


class MoveOrder(Body):
    """When it may start: one of both."""

    at: AwareDatetime | None = None
    delay: float | None = Field(
        None, ge=0, le=LONGEST_DELAY_SECONDS, description="seconds from now; 0: it starts now"
    )

    @property
    def due(self) -> datetime | timedelta | None:
        """As the service takes it; None if it does not name one."""
        if (self.at is None) == (self.delay is None):
            return None
        return self.at or timedelta(seconds=self.delay or 0)


class PriorityOrder(Body):
    """Where it is to wait."""

    priority: Priority


class RetryOrder(Body):
    """Nothing is to be said of a retry."""


class Explained(BaseModel):
    """Where a job stands, and why."""

    job_id: str
    state: State | None
    reason: str = Field(description="what the sentence says, for machines")
    sentence: str
    facts: dict[str, Any] = Field(description="what it rests on")


@router.post("/v1/jobs/{job_id:job}/retry", openapi_extra=needs(Permission.JOBS_RETRY))
async def retry_job(
    job_id: JobId,
    order: RetryOrder,
    asked: IfMatch,
    response: Response,
    caller: TheCaller,
    services: TheServices,
) -> JobDocument:
    """Replay a dead job, or let a retrying one start now."""
    return _told(response, await services.jobs.retry(caller, job_id, asked))


@router.post("/v1/jobs/{job_id:job}/cancel", openapi_extra=needs(Permission.JOBS_CANCEL))
async def cancel_job(
    job_id: JobId,
    order: CancelOrder,
    asked: IfMatch,
    response: Response,
    caller: TheCaller,
    services: TheServices,
) -> JobDocument:
    """End a job at once if it waits; if it runs, ask its worker to stop it."""
    return _told(response, await services.jobs.cancel(caller, job_id, reason=order.reason, asked=asked))


@router.post("/v1/jobs/{job_id:job}/reschedule", openapi_extra=needs(Permission.JOBS_EDIT))
async def reschedule_job(
    job_id: JobId,
    order: MoveOrder,
    asked: IfMatch,
    response: Response,
    caller: TheCaller,
    services: TheServices,
) -> JobDocument:
    """Let a job that waits start at another time, or now."""
    return _told(response, await services.jobs.reschedule(caller, job_id, due=order.due, asked=asked))


@router.post("/v1/jobs/{job_id:job}/priority", openapi_extra=needs(Permission.JOBS_EDIT))
async def set_priority(
    job_id: JobId,
    order: PriorityOrder,
    asked: IfMatch,
    response: Response,
    caller: TheCaller,
    services: TheServices,
) -> JobDocument:
    """Give a job that waits another priority; what it has waited so far counts on."""
    return _told(response, await services.jobs.set_priority(caller, job_id, order.priority, asked))


@router.get("/v1/jobs/{job_id:job}/why", openapi_extra=needs(Permission.JOBS_READ))
async def explain_job(job_id: JobId, caller: TheCaller, services: TheServices) -> Explained:
    """Why a job is where it is, in one sentence, and the facts behind it."""
    return Explained(**(await services.jobs.why(caller, job_id)).as_document())


@router.get("/v1/jobs/{job_id:job}", openapi_extra=needs(Permission.JOBS_READ))
async def get_job(
    job_id: JobId, response: Response, caller: TheCaller, services: TheServices, wait: Wait = 0
) -> JobDocument:
    """One job; with `wait` as soon as it has ended, or as it is when the time is over."""
    return _told(response, await services.jobs.get(caller, job_id, wait=timedelta(seconds=wait)))


def _told(response: Response, view: JobView) -> JobDocument:
    response.headers["etag"] = view.version
    return job_document(view)
