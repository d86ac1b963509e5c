"""`/v1/openapi.json`: what can be asked, for programs that read it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from .guarded import Guarded, needs

router = APIRouter(route_class=Guarded, tags=["documentation"])


@router.get("/v1/openapi.json", openapi_extra=needs(None), include_in_schema=False)
async def get_openapi(request: Request) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    return document
