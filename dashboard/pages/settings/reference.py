"""`/settings/api`: the HTTP API in a list, made from its OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from ...routes.guarded import needs
from ..rendering import page
from ..route import Page

router = APIRouter(route_class=Page)


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked."""

    tag: str
    method: str
    path: str
    summary: str
    permission: str


@router.get("/settings/api", openapi_extra=needs(None))
async def show_api(request: Request) -> Response:
    """What can be asked by programs."""
    operations = sorted(_operations(request.app.openapi()), key=lambda one: one.tag)
    groups = [(tag, list(found)) for tag, found in groupby(operations, key=lambda one: one.tag)]
    return await page(request, "settings/api.html", title="HTTP API", groups=groups)


def _operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    for path, item in document["paths"].items():
        for method, told in item.items():
            yield Operation(
                tag=told.get("tags", ["other"])[0],
                method=method.upper(),
                path=path,
                summary=told.get("description", told.get("summary", "")).partition("\n")[0],
                permission=told.get("x-permission", ""),
            )
