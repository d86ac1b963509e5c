"""`/settings/roles` and `/settings/configuration`: what roles permit, and what this process is set to."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from ...access.permissions import Permission
from ...routes.guarded import TheCaller, TheServices, needs
from ..rendering import page
from ..route import Page

router = APIRouter(route_class=Page)


@router.get("/settings/roles", openapi_extra=needs(Permission.USERS_READ))
async def show_roles(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """What each role permits."""
    return await page(
        request,
        "settings/roles.html",
        title="Roles",
        roles=await services.configuration.roles(caller),
        permissions=list(Permission),
    )


@router.get("/settings/configuration", openapi_extra=needs(Permission.USERS_READ))
async def show_configuration(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """All settings of this process, without secrets."""
    return await page(
        request,
        "settings/configuration.html",
        title="Configuration",
        settings=await services.configuration.list(caller),
    )
