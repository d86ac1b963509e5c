"""`/failures`: dead letters by bug; and one of these bugs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from monarq.jobs.fingerprint import FINGERPRINT
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_pages import Turn

from ..access.permissions import Permission
from ..routes.documents import Body
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.pages import Cursor, after, cut
from ..services.letter_groups import HOURS_TOLD
from .letter_filters import PageFilter, fields_of, words_of
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

Fingerprint = Annotated[str, Path(pattern=f"^{FINGERPRINT.pattern}$")]
#: Groups that the page shows, and letters of one group.
_SHOWN = 100
_LETTERS_SHOWN = 10
_SPANS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


class SnoozeForm(Body):
    """For how long nobody wants to see it."""

    span: Literal["hour", "day", "week", "month"]
    why: str = Field("", max_length=500)


@router.get("/failures", openapi_extra=needs(Permission.JOBS_READ))
async def show_failures(
    request: Request,
    wanted: PageFilter,
    caller: TheCaller,
    services: TheServices,
    snoozed: Annotated[bool, Query()] = False,
    cursor: Cursor = None,
) -> Response:
    """The groups, the largest first."""
    begin = after(cursor)
    seen = await services.letter_groups.list(caller, wanted.of_letters(), snoozed=snoozed)
    groups, following = cut([group for group in seen.groups if group.id > begin], _SHOWN)
    return await page(
        request,
        "failures/list.html",
        title="Failures",
        seen=seen,
        groups=groups,
        next=following,
        snoozed=snoozed,
        given=fields_of(wanted),
        words=words_of(wanted.written()),
        hours=24,
    )


@router.get("/failures/{fingerprint}", openapi_extra=needs(Permission.JOBS_READ))
async def show_failure(
    fingerprint: Fingerprint, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """One group: since when, how often, where; and its newest letter in full."""
    group = await services.letter_groups.get(caller, fingerprint)
    newest = await services.letters.list(
        caller, LetterFilter(fingerprint=fingerprint), Turn(limit=_LETTERS_SHOWN)
    )
    sample = None
    if newest.page.heads:
        sample = await services.letters.get(caller, newest.page.heads[0].job_id)
    return await page(
        request,
        "failures/group.html",
        title="Failure",
        group=group,
        newest=newest,
        sample=sample,
        days=_days(group.deaths(HOURS_TOLD), group.this_hour),
        hours=HOURS_TOLD,
    )


@router.post("/failures/{fingerprint}/snooze", openapi_extra=needs(Permission.DEAD_REPLAY))
async def snooze(
    fingerprint: Fingerprint,
    form: Annotated[SnoozeForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Hide it for a while."""
    until = datetime.now(UTC) + _SPANS[form.span]
    await services.letter_groups.snooze(caller, fingerprint, until=until, why=form.why)
    return go_on(request, "/failures", told=f"Nobody sees this failure before {until:%Y-%m-%d %H:%M} UTC.")


@router.post("/failures/{fingerprint}/wake", openapi_extra=needs(Permission.DEAD_REPLAY))
async def wake(
    fingerprint: Fingerprint, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Show it again."""
    await services.letter_groups.wake(caller, fingerprint)
    return go_on(request, "/failures", fingerprint, told="It is among the failures again.")


def _days(deaths: list[int], this_hour: int) -> list[tuple[datetime, int]]:
    """The same by the day, the newest first: for a table beside the picture."""
    days: dict[datetime, int] = {}
    for back, count in enumerate(reversed(deaths)):
        at = datetime.fromtimestamp((this_hour - back) * 3_600, UTC)
        day = at.replace(hour=0)
        days[day] = days.get(day, 0) + count
    return list(days.items())
