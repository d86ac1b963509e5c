"""Dead letters: see them, give one another chance, or forget one.  Many at once are for operations."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from monarq.jobs.events import EventType
from monarq.jobs.store.dead_letter import DeadLetter, LetterHead
from monarq.jobs.store.dead_letters import DeadLetters, Origin
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_pages import LetterPage, Turn

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.ownership import OWNER_TAG, owner_among
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..audit import Audit
from ..bus import Bus
from ..dead_letters import PLACE, LettersFor
from ..errors import NotPermitted, NotThere

_WHAT = "dead letter"


@dataclass(frozen=True, slots=True)
class SeenLetters:
    """A page of letters, and of which of them the words may be seen."""

    page: LetterPage
    caller: Caller
    payload: Scope

    def shows_words(self, head: LetterHead) -> bool:
        """Whether the words of its error may be shown."""
        return self.payload.covers(resource_of(head, self.caller))


@dataclass(frozen=True, slots=True)
class SeenLetter:
    """One whole letter."""

    letter: DeadLetter
    #: Whether arguments and the words of errors may be shown.
    shows_words: bool
    may_be_replayed: bool
    may_be_discarded: bool


class LetterService:
    """Dead letters, as far as the caller may see them."""

    def __init__(self, letters_for: LettersFor, guard: Guard, audit: Audit, bus: Bus) -> None:
        self._letters_for = letters_for
        self._guard = guard
        self._audit = audit
        self._bus = bus

    async def list(self, caller: Caller, wanted: LetterFilter, turn: Turn) -> SeenLetters:
        """One page of them, by the time of death."""
        read = await self._guard.scope(caller, Permission.JOBS_READ)
        payload = await self._guard.held(caller, Permission.JOBS_PAYLOAD)
        if wanted.text is not None:  # who looks for words learns of them
            if not payload:
                raise NotPermitted(Permission.JOBS_PAYLOAD)
            read &= payload

        def admits(head: LetterHead) -> bool:
            return read.covers(resource_of(head, caller))

        page = await self._letters_of(caller).page(wanted, turn, admits)
        return SeenLetters(page, caller, payload)

    async def get(self, caller: Caller, job_id: str) -> SeenLetter:
        """One of them.

        Raises:
            NotThere: There is none of this id, or it must not be seen.
        """
        head = await self._seen(caller, job_id)
        [letter] = await self._letters_of(caller).open([head])
        resource = resource_of(head, caller)
        held = [
            (await self._guard.held(caller, permission)).covers(resource)
            for permission in (Permission.JOBS_PAYLOAD, Permission.DEAD_REPLAY, Permission.DEAD_PURGE)
        ]
        return SeenLetter(letter, *held)

    async def replay(self, caller: Caller, job_id: str) -> None:
        """Give one a fresh budget of attempts; it is ready at once.

        Raises:
            NotThere: There is none of this id (any more), or it must not be seen.
        """
        head = await self._meant(caller, job_id, Permission.DEAD_REPLAY)
        if not await self._letters_of(caller).replay_heads([head]):
            raise NotThere(_WHAT)
        await self._record(caller, "dead.replay", EventType.JOB_REPLAYED, head)

    async def discard(self, caller: Caller, job_id: str) -> None:
        """Forget one, for good.

        Raises:
            NotThere: There is none of this id (any more), or it must not be seen.
        """
        head = await self._meant(caller, job_id, Permission.DEAD_PURGE)
        if not await self._letters_of(caller).forget_heads([head]):
            raise NotThere(_WHAT)
        await self._record(caller, "dead.discard", EventType.JOB_DISCARDED, head)

    async def _record(self, caller: Caller, action: str, told: EventType, head: LetterHead) -> None:
        place: dict[str, Any] = {"queue": head.queue.name, "kind": head.kind}
        await self._audit.record(caller, action, head.job_id, **place)
        tags = head.envelope.tags if head.envelope is not None else ()
        owner = next((tag for tag in tags if tag.startswith(OWNER_TAG)), None)
        self._bus.tell(told, job_id=head.job_id, owner=owner, by=caller.name, **place)

    async def _meant(self, caller: Caller, job_id: str, permission: Permission) -> LetterHead:
        await self._guard.scope(caller, permission)
        head = await self._seen(caller, job_id)
        await self._guard.require(caller, permission, resource_of(head, caller))
        return head

    async def _seen(self, caller: Caller, job_id: str) -> LetterHead:
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        async with aclosing(self._letters_of(caller).select([job_id])) as pages:
            async for page in pages:
                for head in page:
                    if scope.covers(resource_of(head, caller)):
                        return head
        raise NotThere(_WHAT)

    def _letters_of(self, caller: Caller) -> DeadLetters:
        return self._letters_for(Origin(actor=caller.name, place=PLACE))


def resource_of(head: LetterHead, caller: Caller) -> Resource:
    """What is judged.  Of one that cannot be read nobody knows the kind: it takes a grant for all kinds."""
    tags = head.envelope.tags if head.envelope is not None else ()
    return Resource(queue=head.queue.name, kind=head.kind, owner=owner_among(tags, caller.subject))
