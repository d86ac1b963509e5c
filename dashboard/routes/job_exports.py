"""`/v1/jobs.csv` and `/v1/jobs.ndjson`: all jobs of a search as a file, sent while they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import StreamingResponse

from ..access.permissions import Permission
from ..services.job_rows import JobRow
from ..services.job_sections import Order
from .guarded import Guarded, TheCaller, TheServices, needs
from .job_filters import TheSearch
from .job_lists import Fields, fields_of, summary
from .tables import written

router = APIRouter(route_class=Guarded, tags=["jobs"])

MOST = 100_000

AtMost = Annotated[int, Query(ge=1, le=MOST, description="How many, at most.")]
TheOrder = Annotated[Order, Query(description="As in the list of jobs.")]
_Write = Callable[[Sequence[JobRow], tuple[str, ...]], str]


def _file(media_type: str) -> dict[str, Any]:
    described = {"description": "The file.", "content": {media_type: {"schema": {"type": "string"}}}}
    return {"response_class": StreamingResponse, "responses": {200: described}}


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be in the file."""

    names: tuple[str, ...]
    pages: AsyncIterator[Sequence[JobRow]]


async def _export(
    caller: TheCaller,
    services: TheServices,
    search: TheSearch,
    sort: TheOrder = Order.STATE,
    fields: Fields = None,
    limit: AtMost = 10_000,
) -> Export:
    return Export(fields_of(fields), services.search.export(caller, search, order=sort, at_most=limit))


TheExport = Annotated[Export, Depends(_export)]


@router.get("/v1/jobs.csv", openapi_extra=needs(Permission.JOBS_READ), **_file("text/csv"))
async def export_jobs_as_csv(export: TheExport) -> StreamingResponse:
    """All jobs of a search as a table.  What a spreadsheet would take for a formula has a `'` before it."""
    media_type, head = "text/csv; charset=utf-8; header=present", ",".join(export.names) + "\r\n"
    return await _sent(export, _csv, media_type, "jobs.csv", head)


@router.get("/v1/jobs.ndjson", openapi_extra=needs(Permission.JOBS_READ), **_file("application/x-ndjson"))
async def export_jobs_as_ndjson(export: TheExport) -> StreamingResponse:
    """All jobs of a search, each as JSON on a line of its own."""
    return await _sent(export, _ndjson, "application/x-ndjson", "jobs.ndjson")


async def _sent(
    export: Export, write: _Write, media_type: str, name: str, head: str = ""
) -> StreamingResponse:
    # before anything is sent, so that what cannot be done is told as a problem
    first: Sequence[JobRow] = await anext(export.pages, [])

    async def text() -> AsyncIterator[str]:
        yield head + write(first, export.names)
        async for rows in export.pages:
            yield write(rows, export.names)

    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(text(), media_type=media_type, headers=headers)


def _ndjson(rows: Sequence[JobRow], names: tuple[str, ...]) -> str:
    return "".join(f"{summary(row, names).model_dump_json(exclude_unset=True)}\n" for row in rows)


def _csv(rows: Sequence[JobRow], names: tuple[str, ...]) -> str:
    return written([getattr(row, name) for name in names] for row in rows)
