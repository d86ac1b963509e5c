"""`/dead-letters`: jobs that are out of attempts, one by one."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from monarq.jobs.errors import StoreError

from ..access.caller import Caller
from ..access.permissions import Permission
from ..operations.filters import OperationFilter
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.letter_lists import Cursors
from ..routes.pages import Cursor
from ..services.services import Services
from .letter_filters import PageFilter, fields_of, words_of
from .rendering import page
from .route import Page

router = APIRouter(route_class=Page)

_SHOWN = 50


@router.get("/dead-letters", openapi_extra=needs(Permission.JOBS_READ))
async def show_dead_letters(
    request: Request, wanted: PageFilter, caller: TheCaller, services: TheServices, cursor: Cursor = None
) -> Response:
    """A page of them, the newest first; some or all of them can be replayed or discarded."""
    letters = wanted.of_letters()
    cursors = Cursors(letters)
    turn = cursors.turn(cursor, _SHOWN)
    seen = await services.letters.list(caller, letters, turn)
    following, before = cursors.around(seen.page, turn)
    return await page(
        request,
        "dead_letters/list.html",
        title="Dead letters",
        seen=seen,
        heads=seen.page.heads if turn.newest_first else seen.page.heads[::-1],
        next=following,
        prev=before,
        total=await _count(services, caller, wanted),
        given=fields_of(wanted),
        words=words_of(wanted.written()),
    )


async def _count(services: Services, caller: Caller, wanted: OperationFilter) -> int | None:
    """How many there are; None where counting would mean reading them all."""
    if wanted.of_letters().needs_reading:
        return None
    try:
        return await services.letter_groups.count(caller, wanted.of_letters())
    except StoreError:
        return None
