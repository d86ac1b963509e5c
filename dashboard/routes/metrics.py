"""`/metrics`: for a Prometheus that shows a token; `monarq dashboard` also serves it at a port of its own."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from ..access.permissions import Permission
from .guarded import Guarded, TheCaller, TheServices, needs

router = APIRouter(route_class=Guarded, tags=["metrics"])

_TEXT = {"text/plain": {"schema": {"type": "string"}}}


@router.get(
    "/metrics",
    openapi_extra=needs(Permission.METRICS_READ),
    response_class=Response,
    responses={200: {"content": _TEXT, "description": "As Prometheus, or OpenMetrics, has it."}},
)
async def get_metrics(
    caller: TheCaller, services: TheServices, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """The metrics of this dashboard and, if no other process tells them, those of the whole fleet.

    It takes `metrics:read` without a limit to some queues.
    """
    text, media_type = await services.metrics.scrape(caller, accept)
    return Response(text, headers={"content-type": media_type, "cache-control": "no-store"})
