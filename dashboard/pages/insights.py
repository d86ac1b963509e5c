"""`/insights`: how much, how fast, how well, over an hour up to a month; and which kinds are worth a look."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from monarq.jobs.errors import StoreError

from ..access.caller import Caller
from ..access.permissions import Permission
from ..errors import NotPermitted, NotSetUp
from ..routes.guarded import TheCaller, TheServices, needs
from ..services.insights import Order, Ranking
from ..services.services import Services
from ..services.windows import Range, Wish
from .charts import TheRange, charts_of
from .rendering import page
from .route import Page

router = APIRouter(route_class=Page)

#: Rows of each list of kinds.
_SHOWN = 10


@router.get("/insights", openapi_extra=needs(Permission.METRICS_READ))
async def show_insights(
    request: Request, caller: TheCaller, services: TheServices, range_: TheRange = Range.DAY
) -> Response:
    """Numbers over time."""
    charts, rankings, waits, kinds = await asyncio.gather(
        charts_of(services, caller, range_),
        _rankings(services, caller, range_),
        _waits(services, caller, range_),
        _kinds(services, caller),
    )
    return await page(
        request,
        "insights.html",
        title="Insights",
        range=range_,
        charts=charts,
        rankings=rankings,
        waits=waits,
        kinds=kinds,
    )


async def _rankings(services: Services, caller: Caller, range_: Range) -> Sequence[Ranking]:
    """The kinds that fail, that are slow, and that are flaky; none where there is no history to tell."""
    orders = (Order.FAILING, Order.SLOWEST, Order.FLAKIEST)
    wish = Wish(range=range_)
    try:
        return await asyncio.gather(
            *(services.insights.kinds(caller, wish, order, limit=_SHOWN) for order in orders)
        )
    except (NotSetUp, StoreError):
        return []


async def _waits(services: Services, caller: Caller, range_: Range) -> Ranking | None:
    try:
        return await services.insights.queues(caller, Wish(range=range_))
    except (NotSetUp, StoreError):
        return None


async def _kinds(services: Services, caller: Caller) -> Container[str]:
    """Those that have a page: the history may know others."""
    try:
        return {view.kind for view in await services.kinds.list(caller)}
    except (NotPermitted, StoreError):
        return ()
