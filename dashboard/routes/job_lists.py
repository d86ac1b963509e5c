"""`/v1/jobs`: look for jobs, whether they have ended or not."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from ..access.permissions import Permission
from ..errors import InvalidParameter
from ..services.job_rows import COLUMNS, JobRow
from ..services.job_sections import Order
from .guarded import Guarded, TheCaller, TheServices, needs
from .job_filters import TheSearch
from .pages import Cursor, Limit, link_pages

Fields = Annotated[str | None, Query(max_length=400, description="Only these, by commas.")]

router = APIRouter(route_class=Guarded, tags=["jobs"])


class JobSummary(BaseModel):
    """A job in a list; with `fields=`, what that names."""

    id: str = ""
    state: str = ""
    queue: str = ""
    kind: str | None = Field(None, description="null: its record cannot be read")
    priority: str = ""
    tags: list[str] = Field(default_factory=list)
    worker: str | None = Field(None, description="who runs it, or ran it last")
    attempts: int = Field(0, description="those that count against the budget")
    starts: int = 0
    enqueued_at: datetime | None = None
    due_at: datetime | None = Field(None, description="when it may be claimed; null unless it waits")
    started_at: datetime | None = Field(None, description="of the last attempt, once it has ended")
    ended_at: datetime | None = None
    run_ms: int | None = None
    wait_ms: int | None = None
    error_type: str | None = Field(None, description="of what went wrong last")
    error_message: str | None = Field(None, description="null, too, without the permission jobs:payload")
    fingerprint: str | None = Field(None, description="failures that look like the same bug share one")
    reason: str | None = None
    by: str | None = None


class NoteDocument(BaseModel):
    """What a list does not tell, and why."""

    code: str
    detail: str


class CountDocument(BaseModel):
    """How many jobs a search has."""

    number: int
    is_capped: bool = Field(description="there are more than that, or there may be")


class JobList(BaseModel):
    """A page of jobs."""

    items: list[JobSummary]
    next: str | None
    prev: str | None
    count: CountDocument | None = Field(None, description="with `count=capped`")
    notes: list[NoteDocument] = Field(description="what is missing, while a store is away, say")


class Counting(StrEnum):
    """Whether to count what a search has."""

    CAPPED = "capped"


@router.get("/v1/jobs", openapi_extra=needs(Permission.JOBS_READ), response_model_exclude_unset=True)
async def list_jobs(
    request: Request,
    response: Response,
    caller: TheCaller,
    services: TheServices,
    search: TheSearch,
    sort: Annotated[
        Order, Query(description="`state`: running, waiting (due first), ended (newest first).")
    ] = Order.STATE,
    fields: Fields = None,
    count: Annotated[Counting | None, Query(description="Count up to 10,000.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> JobList:
    """Look for jobs.  A page may be short, or empty, and yet have a next one: then not all was looked at."""
    wanted = fields_of(fields)
    page = await services.search.page(caller, search, order=sort, cursor=cursor, limit=limit)
    link_pages(request, response, next=page.next, prev=page.prev)
    told: dict[str, Any] = {
        "items": [summary(row, wanted) for row in page.items],
        "next": page.next,
        "prev": page.prev,
        "notes": [NoteDocument(**asdict(note)) for note in page.notes],
    }
    if count is not None:
        told["count"] = CountDocument(**asdict(await services.search.count(caller, search)))
    return JobList(**told)


def summary(row: JobRow, wanted: tuple[str, ...]) -> JobSummary:
    """A line as a document of these fields."""
    return JobSummary(**{name: getattr(row, name) for name in wanted})


def fields_of(text: str | None) -> tuple[str, ...]:
    """The names in `fields=`; all of them, if it is not given."""
    if text is None:
        return COLUMNS
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in COLUMNS:
            raise InvalidParameter("fields", f"{name!r:.80} is none; there are {', '.join(COLUMNS)}")
    return names
