"""`/v1/dead-letters`: jobs that are out of attempts: see them, replay one, forget one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, status
from pydantic import BaseModel, Field

from monarq.jobs.failure import Failure, as_document
from monarq.jobs.store.dead_letter import LetterHead, moment

from ..access.permissions import Permission
from ..services.letters import SeenLetter, SeenLetters
from .guarded import Guarded, TheCaller, TheServices, needs
from .letter_lists import Cursors, TheFilter
from .pages import Cursor, Limit, link_pages

router = APIRouter(route_class=Guarded, tags=["dead letters"])

LetterId = Annotated[str, Path(max_length=300, description="The job's id.")]
_HIDDEN = "null: this needs the permission jobs:payload"


class LetterItem(BaseModel):
    """A dead letter with its last failure alone."""

    job_id: str
    queue: str
    kind: str | None = Field(description="null: it cannot be read")
    priority: str
    died_at: datetime
    fingerprint: str
    cause: str
    error_type: str | None
    message: str | None = Field(description=_HIDDEN)


class LetterList(BaseModel):
    """A page of dead letters, the newest first."""

    items: list[LetterItem]
    next: str | None = Field(description="cursor of older ones")
    prev: str | None = Field(description="cursor of newer ones")
    is_cut_short: bool = Field(description="enough was searched for one request; `next` searches on")


class AttemptDocument(BaseModel):
    """An attempt that did not succeed."""

    cause: str
    worker: str
    started_at: datetime | None
    ended_at: datetime | None
    error_type: str | None
    message: str | None = Field(description=_HIDDEN)
    traceback: str | None = Field(description=_HIDDEN)


class ReplayDocument(BaseModel):
    """One of the times that it was given a fresh budget of attempts."""

    at: datetime | None
    by: str
    told: str


class LetterDocument(LetterItem):
    """A whole dead letter."""

    enqueued_at: datetime | None
    args: list[Any] | None = Field(description=_HIDDEN)
    kwargs: dict[str, Any] | None = Field(description=_HIDDEN)
    attempts: list[AttemptDocument] = Field(description="oldest first")
    replays: list[ReplayDocument] = Field(description="oldest first")
    fault: str | None = Field(description="why it cannot be read")
    raw: str | None = Field(description="what lies there instead; " + _HIDDEN)
    set_aside: dict[str, str] | None = Field(description="what could not be used; " + _HIDDEN)


@router.get("/v1/dead-letters", openapi_extra=needs(Permission.JOBS_READ))
async def list_dead_letters(
    request: Request,
    response: Response,
    wanted: TheFilter,
    caller: TheCaller,
    services: TheServices,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> LetterList:
    """List dead letters, the newest first."""
    letters = wanted.of_letters()
    cursors = Cursors(letters)
    turn = cursors.turn(cursor, limit)
    seen = await services.letters.list(caller, letters, turn)
    following, before = cursors.around(seen.page, turn)
    link_pages(request, response, next=following, prev=before)
    heads = seen.page.heads if turn.newest_first else seen.page.heads[::-1]
    return LetterList(
        items=[_item(head, seen) for head in heads],
        next=following,
        prev=before,
        is_cut_short=seen.page.is_cut_short,
    )


@router.post(
    "/v1/dead-letters/{job_id:path}/replay",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Permission.DEAD_REPLAY),
)
async def replay_dead_letter(job_id: LetterId, caller: TheCaller, services: TheServices) -> None:
    """Give a dead letter a fresh budget of attempts; it is ready at once."""
    await services.letters.replay(caller, job_id)


@router.delete(
    "/v1/dead-letters/{job_id:path}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Permission.DEAD_PURGE),
)
async def discard_dead_letter(job_id: LetterId, caller: TheCaller, services: TheServices) -> None:
    """Forget a dead letter, for good."""
    await services.letters.discard(caller, job_id)


@router.get("/v1/dead-letters/{job_id:path}", openapi_extra=needs(Permission.JOBS_READ))
async def get_dead_letter(job_id: LetterId, caller: TheCaller, services: TheServices) -> LetterDocument:
    """One dead letter: its arguments, and every attempt with its traceback."""
    return _document(await services.letters.get(caller, job_id))


def _item(head: LetterHead, seen: SeenLetters) -> LetterItem:
    return LetterItem(
        job_id=head.job_id,
        queue=head.queue.name,
        kind=head.kind,
        priority=str(head.priority),
        died_at=head.died_at,
        fingerprint=head.fingerprint,
        **_last_words(head.failure, is_shown=seen.shows_words(head)),
    )


def _document(seen: SeenLetter) -> LetterDocument:
    letter, is_shown = seen.letter, seen.shows_words
    told = letter.as_document()
    hidden = {} if is_shown else dict.fromkeys(("args", "kwargs", "raw", "set_aside"))
    last = letter.failures[-1] if letter.failures else None
    words = _last_words(last, is_shown=is_shown) if last else {"cause": "unknown", "error_type": None}
    return LetterDocument.model_validate(
        {"message": None}
        | {name: told[name] for name in LetterDocument.model_fields if name in told}
        | words
        | hidden
        | {"attempts": [_attempt(failure, is_shown=is_shown) for failure in letter.failures]}
    )


def _attempt(failure: Failure, *, is_shown: bool) -> dict[str, Any]:
    told = as_document(failure)
    return {
        **_last_words(failure, is_shown=is_shown),
        "worker": str(failure.worker),
        "started_at": _moment(failure.started_ms),
        "ended_at": _moment(failure.ended_ms),
        "traceback": str(told["traceback"]) if is_shown else None,
    }


def _last_words(failure: Failure, *, is_shown: bool) -> dict[str, Any]:
    return {
        "cause": str(failure.cause),
        "error_type": str(failure.error_type) or None,
        "message": str(failure.message) if is_shown else None,
    }


def _moment(ms: int) -> datetime | None:
    return moment(ms) if ms else None
