"""`/operations`: something is done to many jobs: look at what it would be, begin it, watch it, end it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.operations import Operation

from ..access.permissions import Permission
from ..errors import InvalidParameter
from ..operations.actions import Action
from ..operations.filters import MOST_IDS, OperationFilter
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.pages import Cursor, after, cut
from ..services.operations import WorkOrder
from .letter_filters import PageFilter, fields_of, filter_of, read_moment, words_of
from .rendering import go_on, page
from .route import Page
from .words import rough

router = APIRouter(route_class=Page)

OperationId = Annotated[str, Path(max_length=100)]
_SHOWN = 50
#: Seconds after which the pace so far says something.
_LONG_ENOUGH = 2.0


#: What is done, and what has then happened.
_VERBS = {
    Action.REPLAY: ("Replay", "replayed"),
    Action.DISCARD: ("Discard", "discarded"),
    Action.CANCEL: ("Cancel", "cancelled"),
    Action.RETRY_NOW: ("Retry now", "tried again now"),
    Action.RESCHEDULE: ("Reschedule", "rescheduled"),
    Action.PRIORITY: ("Change the priority of", "given another priority"),
}


class PlanForm(Body):
    """What is to be done to which jobs: to those that are ticked, or to all that fit."""

    action: Action
    queue: str = ""
    kind: str = ""
    error: str = ""
    fingerprint: str = ""
    after: str = ""
    before: str = ""
    text: str = ""
    q: str = ""
    at: str = ""
    priority: Priority | Literal[""] = ""
    ids: list[str] = Field(default_factory=list, max_length=MOST_IDS)


class BeginForm(Body):
    """How fast."""

    rate: str = Field("", max_length=20)


@router.get("/operations", openapi_extra=needs(Permission.JOBS_READ))
async def show_operations(
    request: Request, caller: TheCaller, services: TheServices, cursor: Cursor = None
) -> Response:
    """Those of the last 30 days, the newest first."""
    found = await services.operations.list(caller, after=after(cursor), limit=_SHOWN + 1)
    shown, following = cut([operation.plan for operation in found], _SHOWN)
    return await page(
        request,
        "operations/list.html",
        title="Operations",
        operations=[Shown(operation) for operation in found[: len(shown)]],
        next=following,
        taken_at=datetime.now(UTC),
    )


@router.get("/operations/new", openapi_extra=needs(Permission.OPERATIONS_RUN))
async def show_new(
    request: Request,
    wanted: PageFilter,
    action: Annotated[Action, Query()] = Action.REPLAY,
    q: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    """Say what is to be done to which jobs."""
    return await page(
        request,
        "operations/new.html",
        title="New operation",
        action=action,
        given=fields_of(wanted),
        q=q,
        priorities=[str(priority) for priority in PRIORITIES],
    )


@router.post("/operations/plan", openapi_extra=needs(Permission.OPERATIONS_RUN))
async def plan(
    form: Annotated[PlanForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Count what it would be; the page of the plan asks whether to begin."""
    wanted = filter_of(**form.model_dump(exclude={"action", "at", "priority"}))
    options = {}
    if form.action is Action.RESCHEDULE:
        options["at"] = read_moment("at", form.at).isoformat()
    if form.action is Action.PRIORITY:
        options["priority"] = str(form.priority)
    planned = await services.operations.plan(caller, WorkOrder(form.action, wanted, options))
    return go_on(request, "/operations", planned.plan.id)


@router.get("/operations/{operation_id}", openapi_extra=needs(Permission.JOBS_READ))
async def show_operation(
    operation_id: OperationId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """What it would be, with the question whether to begin; or how far it is."""
    shown = Shown(await services.operations.get(caller, operation_id))
    return await page(
        request,
        "operations/plan.html" if shown.it.start is None else "operations/operation.html",
        title=f"{shown.verb} {shown.things}",
        shown=shown,
        taken_at=datetime.now(UTC),
    )


@router.post("/operations/{operation_id}/begin", openapi_extra=needs(Permission.OPERATIONS_RUN))
async def begin(
    operation_id: OperationId,
    form: Annotated[BeginForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Begin what was planned."""
    planned = (await services.operations.get(caller, operation_id)).plan
    wanted = OperationFilter.model_validate(planned.filter)
    order = WorkOrder(Action(planned.action), wanted, planned.options)
    await services.operations.begin(caller, operation_id, order, _rate(form.rate))
    return go_on(request, "/operations", operation_id)


@router.post("/operations/{operation_id}/cancel", openapi_extra=needs(Permission.OPERATIONS_RUN))
async def cancel(
    operation_id: OperationId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Let it end."""
    await services.operations.cancel(caller, operation_id)
    return go_on(request, "/operations", operation_id)


class Shown:
    """An operation in the words of its pages."""

    def __init__(self, operation: Operation) -> None:
        self.it = operation
        self.plan = operation.plan
        self.advance = operation.advance
        self.state = str(operation.state)
        self.has_ended = operation.state.has_ended
        self.action = Action(operation.plan.action)

    @property
    def verb(self) -> str:
        """What is done: `Replay`."""
        return _VERBS[self.action][0]

    @property
    def past(self) -> str:
        """What has happened to them then: `replayed`."""
        return _VERBS[self.action][1]

    @property
    def things(self) -> str:
        """To what: `dead letters`."""
        one = "dead letter" if self.action.is_on_letters else "job"
        return one if self.plan.total == 1 else f"{one}s"

    @property
    def target(self) -> str:
        """To which time or priority."""
        return ", ".join(f"{name} {value}" for name, value in self.plan.options.items())

    @property
    def words(self) -> str:
        """Which: `queue mail, kind email.send`."""
        return words_of(self.plan.filter)

    @property
    def left(self) -> int:
        return self.plan.total - self.advance.seen

    @property
    def note(self) -> str:
        """Why it waits, or why it failed."""
        return self.advance.note if self.it.end is None else self.it.end.why

    @property
    def planned_at(self) -> datetime:
        return moment_of(self.plan.planned_ms)

    @property
    def began_at(self) -> datetime | None:
        return moment_of(self.it.start.at_ms) if self.it.start else None

    @property
    def ended_at(self) -> datetime | None:
        return moment_of(self.it.end.at_ms) if self.it.end else None

    @property
    def bound(self) -> datetime:
        return moment_of(self.plan.bound_ms)

    @property
    def time_left(self) -> str | None:
        """By its rate, or at its pace so far; None if nobody can tell yet."""
        if self.has_ended or self.it.start is None or self.began_at is None:
            return None
        if self.it.start.rate is not None:
            return rough(self.left / self.it.start.rate)
        elapsed = (datetime.now(UTC) - self.began_at).total_seconds()
        if not self.advance.seen or elapsed < _LONG_ENOUGH:
            return None
        return rough(elapsed / self.advance.seen * self.left)


def _rate(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.001 < rate <= 100_000:
        raise InvalidParameter("rate", "it is no number of jobs per second; leave it empty for no limit")
    return rate
