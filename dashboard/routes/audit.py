"""`/v1/audit`: who changed what by hand."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from monarq.jobs.store.audit_filter import AuditFilter

from .. import base64url
from ..access.caller import Caller
from ..access.permissions import Permission
from ..errors import InvalidParameter
from ..services.audit import ActPage
from ..services.services import Services
from .guarded import Guarded, TheCaller, TheServices, needs
from .insights import Moment
from .pages import Cursor, Limit, link_pages
from .tables import written

router = APIRouter(route_class=Guarded, tags=["audit"])

Text = Annotated[str | None, Query(max_length=300)]

#: Rows of an export, and those that are read at once.
_MOST_EXPORTED = 50_000
_READ_AT_ONCE = 1_000
#: What PostgreSQL stores in no text: the character 0, and halves of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_NO_CURSOR = "it is none, or belongs to another search: filters must stay the same; begin without one"


class ActDocument(BaseModel):
    """One thing that somebody did."""

    id: int
    at: datetime
    actor: str
    actor_id: str | None = Field(description="what no other has: `user:…`, `token:…`; null: by the CLI")
    role: str | None = Field(description="the roles in which it was done")
    means: str | None = Field(description="session, token or jwt")
    address: str | None = Field(description="from where")
    place: str
    action: str
    subject: str = Field(description="what it was done to: a job's id, a queue, a user, …")
    queue: str | None
    kind: str | None
    result: str
    request_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    detail: dict[str, Any]


class ActList(BaseModel):
    """Acts, the newest first."""

    items: list[ActDocument]
    next: str | None
    prev: str | None


async def audit_filter(
    actor: Text = None,
    action: Annotated[str | None, Query(max_length=300, description="`queue.pause`, `login`, …")] = None,
    subject: Text = None,
    queue: Text = None,
    since: Annotated[Moment | None, Query(description="Of this time or later.")] = None,
    until: Annotated[Moment | None, Query(description="Before this time.")] = None,
) -> AuditFilter:
    """Which acts are meant, by the address.

    Raises:
        InvalidParameter: A text has characters that no act can have.
    """
    for name, text in (("actor", actor), ("action", action), ("subject", subject), ("queue", queue)):
        if text is not None and _UNSTORABLE.search(text):
            raise InvalidParameter(name, "it holds characters that no act can have")
    return AuditFilter(actor=actor, action=action, subject=subject, queue=queue, since=since, until=until)


TheFilter = Annotated[AuditFilter, Depends(audit_filter)]


@router.get("/v1/audit", openapi_extra=needs(Permission.AUDIT_READ))
async def list_audit(
    request: Request,
    response: Response,
    wanted: TheFilter,
    caller: TheCaller,
    services: TheServices,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ActList:
    """List what was changed by hand, the newest first."""
    page = await acts_at(services, caller, wanted, cursor, limit)
    following, before = cursors_of(page, wanted)
    link_pages(request, response, next=following, prev=before)
    items = [ActDocument.model_validate(act, from_attributes=True) for act in page.acts]
    return ActList(items=items, next=following, prev=before)


@router.get(
    "/v1/audit.csv",
    openapi_extra=needs(Permission.AUDIT_READ),
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_audit(wanted: TheFilter, caller: TheCaller, services: TheServices) -> StreamingResponse:
    """The same as a file, the newest 50,000 at most."""
    first = await services.audit.list(caller, wanted, limit=_READ_AT_ONCE)
    return StreamingResponse(
        _lines(services, caller, wanted, first),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="audit.csv"'},
    )


async def acts_at(
    services: Services, caller: Caller, wanted: AuditFilter, cursor: str | None, limit: int
) -> ActPage:
    """The page that a cursor stands for.

    Raises:
        InvalidParameter: The cursor is none of ours, or of another search.
    """
    before, after = (None, None) if cursor is None else _opened(cursor, wanted)
    return await services.audit.list(caller, wanted, before=before, after=after, limit=limit)


def cursors_of(page: ActPage, wanted: AuditFilter) -> tuple[str | None, str | None]:
    """Those of the pages behind this one and before it."""
    mark = _mark(wanted)
    return (
        None if page.next_before is None else base64url.encode(f"b{page.next_before}{mark}".encode()),
        None if page.prev_after is None else base64url.encode(f"a{page.prev_after}{mark}".encode()),
    )


def _opened(cursor: str, wanted: AuditFilter) -> tuple[int | None, int | None]:
    try:
        text = base64url.decode(cursor).decode("ascii")
    except ValueError:
        raise InvalidParameter("cursor", _NO_CURSOR) from None
    mark = _mark(wanted)
    number = text[1:].removesuffix(mark)
    if text[:1] not in ("a", "b") or not text.endswith(mark) or not (number.isdecimal() and len(number) < 19):
        raise InvalidParameter("cursor", _NO_CURSOR)
    return (int(number), None) if text[0] == "b" else (None, int(number))


def _mark(wanted: AuditFilter) -> str:
    return "." + blake2b(repr(wanted).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


async def _lines(
    services: Services, caller: Caller, wanted: AuditFilter, page: ActPage
) -> AsyncIterator[str]:
    names = list(ActDocument.model_fields)
    yield written([names])
    told = 0
    while True:
        yield written([getattr(act, name) for name in names] for act in page.acts)
        told += len(page.acts)
        if page.next_before is None or told >= _MOST_EXPORTED:
            return
        page = await services.audit.list(caller, wanted, before=page.next_before, limit=_READ_AT_ONCE)
