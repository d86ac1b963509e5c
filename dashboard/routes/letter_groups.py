"""`/v1/dead-letters/groups`: dead letters by bug."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from monarq.jobs.fingerprint import FINGERPRINT

from ..access.permissions import Permission
from ..moments import Moment
from ..services.letter_groups import HOURS_TOLD, SeenGroup
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, needs
from .letter_lists import TheFilter
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["dead letters"])

Fingerprint = Annotated[str, Path(pattern=f"^{FINGERPRINT.pattern}$")]
#: Hours that a list tells of each group.
_A_DAY = 24


class Series(BaseModel):
    """How many letters died in each hour; those that were replayed or discarded since are not counted."""

    begins_at: datetime
    step_seconds: int
    counts: list[int] = Field(description="the present hour last")


class SnoozeDocument(BaseModel):
    """That nobody wants to see a group for a while."""

    until: datetime
    by: str
    why: str


class GroupDocument(BaseModel):
    """The dead letters of one fingerprint."""

    fingerprint: str
    count: int
    first_seen: datetime
    last_seen: datetime
    kinds: dict[str, int]
    queues: dict[str, int]
    cause: str
    error_type: str | None
    message: str | None = Field(description="of the newest; null: this needs the permission jobs:payload")
    sample: str = Field(description="the id of the newest")
    series: Series
    snoozed: SnoozeDocument | None


class GroupList(BaseModel):
    """Groups, the largest first.  One that grows meanwhile may move to a page that was read already."""

    items: list[GroupDocument]
    next: str | None
    others: int = Field(description="groups that are left out: snoozed ones, or those that are not")
    taken_at: datetime = Field(description="when they were counted")
    is_stale: bool = Field(description="a store does not answer: so it was then")


class SnoozeOrder(Body):
    """Until when nobody wants to see it."""

    until: Moment
    why: str = Field("", max_length=500, description="for those who wonder")


class Woken(BaseModel):
    """What came of it."""

    was_snoozed: bool


@router.get("/v1/dead-letters/groups", openapi_extra=needs(Permission.JOBS_READ))
async def list_dead_letter_groups(
    letters: TheFilter,
    wanted: ThePage,
    caller: TheCaller,
    services: TheServices,
    snoozed: Annotated[bool, Query(description="Those that are snoozed, instead of the others.")] = False,
) -> GroupList:
    """List dead letters by bug: same type of error, same place in the code, nearly the same words."""
    seen = await services.letter_groups.list(caller, letters.of_letters(), snoozed=snoozed)
    page, following = wanted.cut_whole(seen.groups)
    return GroupList(
        items=[group_document(group, _A_DAY) for group in page],
        next=following,
        others=seen.others,
        taken_at=seen.taken_at,
        is_stale=seen.is_stale,
    )


@router.put("/v1/dead-letters/groups/{fingerprint}/snooze", openapi_extra=needs(Permission.DEAD_REPLAY))
async def snooze_dead_letter_group(
    fingerprint: Fingerprint, order: SnoozeOrder, caller: TheCaller, services: TheServices
) -> GroupDocument:
    """Hide a group from the list until a time.  A kind or a queue that joins it shows it again."""
    group = await services.letter_groups.snooze(caller, fingerprint, until=order.until, why=order.why)
    return group_document(group, HOURS_TOLD)


@router.delete("/v1/dead-letters/groups/{fingerprint}/snooze", openapi_extra=needs(Permission.DEAD_REPLAY))
async def wake_dead_letter_group(fingerprint: Fingerprint, caller: TheCaller, services: TheServices) -> Woken:
    """Show a group again before its time."""
    return Woken(was_snoozed=await services.letter_groups.wake(caller, fingerprint))


@router.get("/v1/dead-letters/groups/{fingerprint}", openapi_extra=needs(Permission.JOBS_READ))
async def get_dead_letter_group(
    fingerprint: Fingerprint, caller: TheCaller, services: TheServices
) -> GroupDocument:
    """One group, with a week's series."""
    return group_document(await services.letter_groups.get(caller, fingerprint), HOURS_TOLD)


def group_document(seen: SeenGroup, hours: int) -> GroupDocument:
    """A group as it is told, with a series of so many hours."""
    group, snooze = seen.group, seen.snooze
    begins_at = datetime.fromtimestamp(0, UTC) + timedelta(hours=seen.this_hour - hours + 1)
    return GroupDocument(
        fingerprint=group.fingerprint,
        count=group.count,
        first_seen=group.first_seen,
        last_seen=group.last_seen,
        kinds=dict(group.kinds.most_common()),
        queues=dict(group.queues.most_common()),
        cause=str(group.sample.failure.cause),
        error_type=str(group.sample.failure.error_type) or None,
        message=seen.message,
        sample=group.sample.job_id,
        series=Series(begins_at=begins_at, step_seconds=3_600, counts=seen.deaths(hours)),
        snoozed=None if snooze is None else SnoozeDocument(until=snooze.until, by=snooze.by, why=snooze.why),
    )
