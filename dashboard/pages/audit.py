"""`/audit`: who changed what by hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from monarq.jobs.errors import NoDatabase, StoreError
from monarq.jobs.store.audit_filter import AuditFilter

from ..access.permissions import Permission
from ..routes.audit import acts_at, audit_filter, cursors_of
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.pages import Cursor
from .rendering import page
from .route import Page

router = APIRouter(route_class=Page)

_MOST = 50
Text = Annotated[str, Query(max_length=300)]


async def _filter(actor: Text = "", action: Text = "", subject: Text = "", queue: Text = "") -> AuditFilter:
    """As the form sends it: what is empty is not asked for."""
    who, what, whom, where = (text.strip() or None for text in (actor, action, subject, queue))
    return await audit_filter(who, what, whom, where)


@router.get("/audit", openapi_extra=needs(Permission.AUDIT_READ))
async def show_audit(
    request: Request,
    caller: TheCaller,
    services: TheServices,
    wanted: Annotated[AuditFilter, Depends(_filter)],
    cursor: Cursor = None,
) -> Response:
    """What was changed by hand, the newest first."""
    found, fault = None, ""
    try:
        found = await acts_at(services, caller, wanted, cursor, _MOST)
    except NoDatabase:
        fault = "none"
    except StoreError:
        fault = "away"
    following, before = (None, None) if found is None else cursors_of(found, wanted)
    return await page(
        request,
        "audit/list.html",
        title="Audit",
        acts=[] if found is None else found.acts,
        wanted=wanted,
        is_filtered=wanted != AuditFilter(),
        fault=fault,
        next=following,
        prev=before,
    )
