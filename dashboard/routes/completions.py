"""`/v1/completions`: what could be typed next in a search."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from ..access.permissions import Permission
from .guarded import Guarded, TheCaller, TheServices, needs
from .job_filters import LONGEST_TEXT

router = APIRouter(route_class=Guarded, tags=["jobs"])


class CompletionList(BaseModel):
    """What could stand in the text from `start` to `end`, the likeliest first."""

    start: int
    end: int
    items: list[str]


@router.get("/v1/completions", openapi_extra=needs(Permission.JOBS_READ))
async def complete_search(
    caller: TheCaller,
    services: TheServices,
    q: Annotated[str, Query(max_length=LONGEST_TEXT, description="A search that is being typed.")] = "",
    at: Annotated[int | None, Query(ge=0, le=LONGEST_TEXT, description="Where; or at its end.")] = None,
) -> CompletionList:
    """Complete a search, as the box of the page does."""
    found = await services.completions.complete(caller, q, len(q) if at is None else at)
    return CompletionList(start=found.start, end=found.end, items=list(found.items))
