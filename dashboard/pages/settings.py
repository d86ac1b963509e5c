"""`/settings`: one's own account, how the pages look; later, what the installation is set to."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from ..routes.guarded import needs
from .rendering import page
from .route import Page
from .theme import Theme

router = APIRouter(route_class=Page)


@router.get("/settings", openapi_extra=needs(None))
async def show_account(request: Request) -> Response:
    """Who one is, and how the pages look."""
    return await page(request, "settings/account.html", title="Settings", themes=list(Theme))
