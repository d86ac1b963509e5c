"""`/v1/operations`: do something to many jobs at once.

First a dry run: what would it be?  Then the same with the dry run's token: it is done to those jobs, and to
none that came later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response, status
from pydantic import BaseModel, Field

from monarq.jobs.priority import Priority
from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.operations import Operation

from ..access.permissions import Permission
from ..errors import InvalidRequest
from ..moments import Moment
from ..operations.actions import Action
from ..operations.filters import OperationFilter
from ..services.operations import WorkOrder
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["operations"])

OperationId = Annotated[str, Path(max_length=100)]


class OperationOrder(Body):
    """What is to be done to which jobs."""

    action: Action
    filter: OperationFilter
    at: Moment | None = Field(None, description="of reschedule: when they are to start")
    priority: Priority | None = Field(None, description="of priority: the new one")
    dry_run: bool = Field(True, description="only count")
    token: str | None = Field(None, max_length=100, description="of the dry run; needed to do it")
    rate_limit: float | None = Field(
        None, gt=0.001, le=100_000, description="jobs per second; null: as fast as it goes"
    )

    def wanted(self) -> WorkOrder:
        """The same for the service."""
        told = {"at": self.at.isoformat() if self.at else None, "priority": self.priority}
        options = {name: str(value) for name, value in told.items() if value is not None}
        return WorkOrder(self.action, self.filter, options)


class SampleDocument(BaseModel):
    """One of the jobs that are meant."""

    job_id: str
    queue: str
    kind: str | None
    at: datetime | None = Field(description="when it died; of others, when it is due")
    error: str | None


class DryRunDocument(BaseModel):
    """What it would be."""

    token: str = Field(description="to do it, within an hour")
    action: Action
    eligible: int
    ineligible: int = Field(description="jobs that the caller sees, but that are not meant")
    reasons: dict[str, int] = Field(description="of those that are not meant")
    before: datetime = Field(description="what came then or later is not meant")
    sample: list[SampleDocument]


class FailureDocument(BaseModel):
    """A job to which it could not be done."""

    job_id: str
    queue: str
    why: str


class OperationDocument(BaseModel):
    """An operation, and how far it is.  `done`, `skipped`, `failed` and `left` sum to `total`."""

    id: str
    action: Action
    filter: dict[str, Any]
    options: dict[str, str] = Field(description="`at`, or `priority`")
    before: datetime
    state: Literal["planned", "pending", "running", "cancelling", "done", "cancelled", "failed"]
    total: int
    done: int
    skipped: int = Field(description="gone before their turn: replayed, discarded, dropped")
    failed: int
    left: int
    failures: list[FailureDocument] = Field(description="the first of those that failed")
    note: str | None = Field(description="why it waits, or why it failed")
    rate_limit: float | None
    by: str
    cancelled_by: str | None
    started_at: datetime | None
    ended_at: datetime | None


class OperationList(BaseModel):
    """A page of operations, the newest first."""

    items: list[OperationDocument]
    next: str | None


@router.post(
    "/v1/operations",
    openapi_extra=needs(Permission.OPERATIONS_RUN),
    responses={202: {"model": OperationDocument, "description": "It was begun."}},
)
async def start_operation(
    order: OperationOrder, request: Request, response: Response, caller: TheCaller, services: TheServices
) -> DryRunDocument | OperationDocument:
    """Count what it would be done to (200); or, with the token of such a dry run, do it (202)."""
    wanted = order.wanted()
    if order.dry_run:
        return _dry_run(await services.operations.plan(caller, wanted))
    if order.token is None:
        raise InvalidRequest({"#/token": "make a dry run first, and give its token"})
    begun = await services.operations.begin(caller, order.token, wanted, order.rate_limit)
    response.status_code = status.HTTP_202_ACCEPTED
    response.headers["location"] = f"{request.url.path}/{begun.plan.id}"
    return operation_document(begun)


@router.get("/v1/operations", openapi_extra=needs(Permission.JOBS_READ))
async def list_operations(wanted: ThePage, caller: TheCaller, services: TheServices) -> OperationList:
    """List operations, the newest first, of the last 30 days."""
    found = await services.operations.list(caller, after=wanted.after, limit=wanted.limit + 1)
    page, following = wanted.cut([operation.plan for operation in found])
    return OperationList(items=[operation_document(one) for one in found[: len(page)]], next=following)


@router.get("/v1/operations/{operation_id}", openapi_extra=needs(Permission.JOBS_READ))
async def get_operation(
    operation_id: OperationId, caller: TheCaller, services: TheServices
) -> OperationDocument:
    """One operation, and how far it is."""
    return operation_document(await services.operations.get(caller, operation_id))


@router.post("/v1/operations/{operation_id}/cancel", openapi_extra=needs(Permission.OPERATIONS_RUN))
async def cancel_operation(
    operation_id: OperationId, caller: TheCaller, services: TheServices
) -> OperationDocument:
    """Let an operation end after the jobs that are under way.  What is done stays done."""
    return operation_document(await services.operations.cancel(caller, operation_id))


def _dry_run(planned: Operation) -> DryRunDocument:
    plan = planned.plan
    return DryRunDocument(
        token=plan.id,
        action=Action(plan.action),
        eligible=plan.total,
        ineligible=sum(plan.ineligible.values()),
        reasons=plan.ineligible,
        before=moment_of(plan.bound_ms),
        sample=[SampleDocument.model_validate(one) for one in plan.sample],
    )


def operation_document(operation: Operation) -> OperationDocument:
    """An operation as it is told."""
    plan, advance, start = operation.plan, operation.advance, operation.start
    end = operation.end
    note = advance.note if end is None else end.why
    return OperationDocument(
        id=plan.id,
        action=Action(plan.action),
        filter=plan.filter,
        options=plan.options,
        before=moment_of(plan.bound_ms),
        state=operation.state.value,
        total=plan.total,
        done=advance.done,
        skipped=advance.skipped,
        failed=advance.failed,
        left=plan.total - advance.seen,
        failures=[
            FailureDocument(job_id=one.job_id, queue=one.queue, why=one.why) for one in advance.failures
        ],
        note=note or None,
        rate_limit=start.rate if start else None,
        by=plan.by["name"],
        cancelled_by=operation.stop.by if operation.stop else None,
        started_at=moment_of(start.at_ms) if start else None,
        ended_at=moment_of(end.at_ms) if end else None,
    )
