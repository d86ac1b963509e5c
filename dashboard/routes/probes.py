"""`/livez`, `/readyz` and `/startupz` for those who keep processes alive, and our public keys."""

from __future__ import annotations

from fastapi import APIRouter, Response, status
from pydantic import BaseModel

from .guarded import Guarded, TheServices, for_anybody

router = APIRouter(route_class=Guarded, tags=["probes"])


class Ready(BaseModel):
    """Whether the stores answer."""

    ready: bool
    checks: dict[str, str]


class Jwks(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]


@router.get("/livez", openapi_extra=for_anybody())
async def is_alive() -> dict[str, bool]:
    """It answers, whatever becomes of the stores: to restart it would not help them."""
    return {"alive": True}


@router.get(
    "/readyz", openapi_extra=for_anybody(), responses={503: {"model": Ready, "description": "not ready"}}
)
async def is_ready(response: Response, services: TheServices) -> Ready:
    """Whether what it stands on is there: 200, else 503."""
    checks = await services.health.checks()
    ready = all(found == "ok" for found in checks.values())
    if not ready:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Ready(ready=ready, checks=dict(checks))


@router.get(
    "/startupz", openapi_extra=for_anybody(), responses={503: {"model": Ready, "description": "not yet"}}
)
async def has_started(response: Response, services: TheServices) -> Ready:
    """Whether what it stands on was there once, all at the same time: 200 from then on, else 503."""
    if services.health.has_started:
        return Ready(ready=True, checks={})
    return await is_ready(response, services)


@router.get("/.well-known/jwks.json", openapi_extra=for_anybody())
async def get_public_keys(response: Response, services: TheServices) -> Jwks:
    """What the JWTs of this dashboard are verified with."""
    response.headers["cache-control"] = "public, max-age=300"
    return Jwks(keys=services.signing_keys.jwks()["keys"])
