"""`/`: is it healthy, what is late, what fails, who works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from monarq.jobs.errors import StoreError

from ..access.caller import Caller
from ..access.permissions import Permission
from ..errors import NotPermitted
from ..routes.guarded import TheCaller, TheServices, needs
from ..services.fleet import FleetView
from ..services.letter_groups import SeenGroup
from ..services.series import Metric
from ..services.services import Services
from ..services.windows import Range
from ..services.workers import WorkerState
from ..verdicts import Level
from .charts import TheRange, charts_of
from .rendering import page
from .route import Page

router = APIRouter(route_class=Page)

_CRON_RUNS = _FAILURES = 5
#: Of the line of each failure.
_HOURS = 24


@router.get("/", openapi_extra=needs(Permission.QUEUES_READ))
async def show_overview(
    request: Request, caller: TheCaller, services: TheServices, range_: TheRange = Range.HOUR
) -> Response:
    """All queues, and what is wrong."""
    view = await services.fleet.overview(caller)
    return await page(
        request,
        "overview.html",
        title="Overview",
        fleet=view,
        totals=_totals(view),
        lines=await sparklines(caller, services),
        urgent=[verdict for verdict in view.verdicts if verdict.level is Level.PAGE],
        notable=[verdict for verdict in view.verdicts if verdict.level is Level.TICKET],
        cron=view.next_cron_runs(_CRON_RUNS),
        failures=await _failures(caller, services),
        hours=_HOURS,
        range=range_,
        charts=await charts_of(services, caller, range_, metrics=(Metric.THROUGHPUT, Metric.WAIT)),
    )


async def _failures(caller: Caller, services: Services) -> Sequence[SeenGroup] | None:
    """The largest groups; None for who may not see them, and while they are being counted."""
    try:
        found = await services.top_failures.list(caller)
    except NotPermitted:
        return None
    return None if found is None else found.groups[:_FAILURES]


async def sparklines(caller: Caller, services: Services) -> Mapping[str, Sequence[float | None]]:
    """Jobs that ended per minute, by queue; nothing for who may not see it, or while it cannot be read."""
    try:
        return await services.insights.sparklines(caller)
    except (NotPermitted, StoreError):
        return {}


def _totals(view: FleetView) -> dict[str, float | None]:
    numbers = [queue.numbers for queue in view.queues]
    rates = [queue.rate.completed for queue in view.queues if queue.rate is not None]
    live = [worker.worker for worker in view.workers if worker.state is WorkerState.LIVE]
    return {
        "ready": sum(one.ready for one in numbers),
        "running": sum(one.running for one in numbers),
        "scheduled": sum(one.scheduled for one in numbers),
        "retrying": sum(one.retrying for one in numbers),
        "dead": sum(queue.dead for queue in view.queues),
        "completed": sum(rates) if rates else None,
        "workers": len(live),
        "slots": sum(worker.slots for worker in live),
        "busy": sum(worker.busy for worker in live),
    }
