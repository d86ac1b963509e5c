"""`/v1/jobs/{id}`: one job: see it, wait for it, ask why, retry, cancel, reschedule it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, BaseModel, Field

from monarq.jobs.priority import Priority
from monarq.jobs.state import State

from ..access.caller import Caller
from ..access.permissions import Permission
from ..conditional import IfMatch
from ..preconditions import Precondition
from ..services.job_view import JobView
from ..services.jobs import LONGEST_WAIT, JobService
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


@dataclass(frozen=True, slots=True)
class Steered:
    """The job that a request is to change, if it is still as its caller has seen it."""

    jobs: JobService
    caller: Caller
    job_id: str
    asked: Precondition
    response: Response

    def told(self, view: JobView) -> JobDocument:
        """The job as it is then."""
        return _told(self.response, view)


async def _steered(
    job_id: JobId, asked: IfMatch, response: Response, caller: TheCaller, services: TheServices
) -> Steered:
    return Steered(services.jobs, caller, job_id, asked, response)


TheJob = Annotated[Steered, Depends(_steered)]


@router.post("/v1/jobs/{job_id:job}/retry", openapi_extra=needs(Permission.JOBS_RETRY))
async def retry_job(it: TheJob, order: RetryOrder) -> JobDocument:
    """Replay a dead job, or let a retrying one start now."""
    return it.told(await it.jobs.retry(it.caller, it.job_id, it.asked))


@router.post("/v1/jobs/{job_id:job}/cancel", openapi_extra=needs(Permission.JOBS_CANCEL))
async def cancel_job(it: TheJob, order: CancelOrder) -> JobDocument:
    """End a job at once if it waits; if it runs, ask its worker to stop it."""
    return it.told(await it.jobs.cancel(it.caller, it.job_id, reason=order.reason, asked=it.asked))


@router.post("/v1/jobs/{job_id:job}/reschedule", openapi_extra=needs(Permission.JOBS_EDIT))
async def reschedule_job(it: TheJob, order: MoveOrder) -> JobDocument:
    """Let a job that waits start at another time, or now."""
    return it.told(await it.jobs.reschedule(it.caller, it.job_id, due=order.due, asked=it.asked))


@router.post("/v1/jobs/{job_id:job}/priority", openapi_extra=needs(Permission.JOBS_EDIT))
async def set_priority(it: TheJob, order: PriorityOrder) -> JobDocument:
    """Give a job that waits another priority; what it has waited so far counts on."""
    return it.told(await it.jobs.set_priority(it.caller, it.job_id, order.priority, it.asked))


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
