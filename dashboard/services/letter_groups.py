"""Failures: dead letters by bug.  Which bugs there are, how many letters each has, and which can wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from monarq.jobs.store.dead_letters import NOBODY
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_groups import Cell, LetterGroup, merged
from monarq.jobs.store.snoozes import Snooze, Snoozes

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..audit import Audit
from ..bus import Bus
from ..cache import Cache, Kept
from ..dead_letters import LettersFor
from ..errors import InvalidRequest, NotPermitted, NotThere

_WHAT = "group of dead letters"
#: Hours of which it is told how many letters died in each.
HOURS_TOLD = 7 * 24
#: Seconds for which counted groups are good enough, and filters of which they are kept.
_TTL = 5.0
_MOST_KNOWN = 100
#: No group has more.
_MOST_LETTERS = 10**16 - 1
#: A snooze that lasts longer is a decision that nobody remembers.
LONGEST_SNOOZE = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class SeenGroup:
    """One group, as far as the caller may see it."""

    group: LetterGroup
    #: The words of its newest error; None if they must not be seen.
    message: str | None
    #: All that the caller sees of it is snoozed, until then at least.
    snooze: Snooze | None
    #: The hour that has begun, in hours since the epoch.
    this_hour: int

    @property
    def id(self) -> str:
        """By this a list goes on: the largest group first, as the list itself has it."""
        return f"{_MOST_LETTERS - self.group.count:016d} {self.group.fingerprint}"

    def deaths(self, hours: int) -> list[int]:
        """How many letters died in each of the last hours, the present one last."""
        first = self.this_hour - hours + 1
        return [self.group.hours[hour] for hour in range(first, self.this_hour + 1)]


@dataclass(frozen=True, slots=True)
class SeenGroups:
    """Some groups, and when they were counted."""

    groups: Sequence[SeenGroup]
    #: So many are left out, for they are snoozed; or, of snoozed ones, for they are not.
    others: int
    taken_at: datetime
    #: A store does not answer: so it was then.
    is_stale: bool


class LetterGroupService:
    """Groups of dead letters, as far as the caller may see their letters."""

    def __init__(
        self, letters_for: LettersFor, snoozes: Snoozes, guard: Guard, audit: Audit, bus: Bus
    ) -> None:
        self._letters_for = letters_for
        self._snoozes = snoozes
        self._guard = guard
        self._audit = audit
        #: By filter: what all callers together may see; each gets a part of it.
        self._known = Cache[Sequence[LetterGroup]](_TTL, most=_MOST_KNOWN)
        #: As they were seen last, for while Redis is away.
        self._last_snoozes = Cache[Mapping[Cell, Snooze]](0.0)
        # not at each death: who watches a storm of them sees it some seconds late
        for events in ("job.replayed", "job.discarded", "operation.changed"):
            self._known.follow(bus, events, lambda _: "*")

    async def list(self, caller: Caller, wanted: LetterFilter, *, snoozed: bool) -> SeenGroups:
        """The groups of the letters that are meant, the largest first; counted some seconds ago, perhaps.

        Args:
            snoozed: Those that are snoozed, instead of those that are not.
        """
        kept = await self._cells(caller, wanted)
        groups = await self._seen(caller, kept.value)
        return SeenGroups(
            [group for group in groups if (group.snooze is not None) == snoozed],
            sum((group.snooze is not None) != snoozed for group in groups),
            kept.taken_at,
            kept.is_stale,
        )

    async def count(self, caller: Caller, wanted: LetterFilter) -> int:
        """How many letters are meant; counted some seconds ago, perhaps."""
        return sum(cell.count for cell in (await self._cells(caller, wanted)).value)

    async def get(self, caller: Caller, fingerprint: str) -> SeenGroup:
        """One of them.

        Raises:
            NotThere: It has no letters, or none that may be seen.
        """
        kept = await self._cells(caller, LetterFilter(fingerprint=fingerprint))
        for group in await self._seen(caller, kept.value):
            return group
        raise NotThere(_WHAT)

    async def snooze(self, caller: Caller, fingerprint: str, *, until: datetime, why: str) -> SeenGroup:
        """Let nobody see it for a while, as far as the caller may replay its letters.

        Raises:
            NotThere: It has no letters, or none that may be seen.
            InvalidRequest: The time is over, or too far off.
        """
        if not timedelta(0) < until - datetime.now(UTC) <= LONGEST_SNOOZE:
            raise InvalidRequest({"#/until": f"a time within the next {LONGEST_SNOOZE.days} days"})
        places = await self._own_places(caller, fingerprint)
        await self._snoozes.put(places, Snooze(until, caller.name, why))
        self._last_snoozes.drop("")
        await self._audit.record(
            caller, "dead.snooze", fingerprint, until=str(until), why=why, **_concerned(places)
        )
        return await self.get(caller, fingerprint)

    async def wake(self, caller: Caller, fingerprint: str) -> bool:
        """Let it be seen again; whether it was snoozed."""
        places = await self._own_places(caller, fingerprint)
        ended = await self._snoozes.end(places)
        self._last_snoozes.drop("")
        await self._audit.record(
            caller, "dead.wake", fingerprint, was_snoozed=bool(ended), **_concerned(places)
        )
        return bool(ended)

    async def _own_places(self, caller: Caller, fingerprint: str) -> Sequence[Cell]:
        scope = await self._guard.scope(caller, Permission.DEAD_REPLAY)
        cells = (await self._cells(caller, LetterFilter(fingerprint=fingerprint))).value
        if not cells:
            raise NotThere(_WHAT)
        places = [cell.place for cell in cells if scope.covers(_resource(cell))]
        if not places:
            raise NotPermitted(Permission.DEAD_REPLAY)
        return places

    async def _cells(self, caller: Caller, wanted: LetterFilter) -> Kept[Sequence[LetterGroup]]:
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        if wanted.text is not None:  # who looks for words learns of them
            scope &= await self._guard.scope(caller, Permission.JOBS_PAYLOAD)
        kept = await self._known.get(repr(wanted), lambda: self._count(wanted))
        return replace(kept, value=[cell for cell in kept.value if scope.covers(_resource(cell))])

    async def _count(self, wanted: LetterFilter) -> Sequence[LetterGroup]:
        since = datetime.now(UTC) - timedelta(hours=HOURS_TOLD)
        return (await self._letters_for(NOBODY).survey(wanted, hours_since=since)).cells

    async def _seen(self, caller: Caller, cells: Sequence[LetterGroup]) -> Sequence[SeenGroup]:
        payload = await self._guard.held(caller, Permission.JOBS_PAYLOAD)
        snoozes = (await self._last_snoozes.get("", self._snoozes.all)).value
        this_hour = int(datetime.now(UTC).timestamp() // 3600)
        parts: dict[str, list[LetterGroup]] = {}
        for cell in cells:
            parts.setdefault(cell.fingerprint, []).append(cell)
        return [
            SeenGroup(
                group,
                _message(parts[group.fingerprint], payload),
                _snooze(parts[group.fingerprint], snoozes),
                this_hour,
            )
            for group in merged(cells)
        ]


def _message(cells: Sequence[LetterGroup], payload: Scope) -> str | None:
    """Of the newest letter whose words may be seen."""
    told = [cell.sample for cell in cells if payload.covers(_resource(cell))]
    return str(max(told, key=lambda head: head.died_ms).failure.message) if told else None


def _snooze(cells: Sequence[LetterGroup], snoozes: Mapping[Cell, Snooze]) -> Snooze | None:
    """The first of its snoozes to end; none if a part of it is awake."""
    found = [snoozes.get(cell.place) for cell in cells]
    held = [snooze for snooze in found if snooze is not None]
    return min(held, key=lambda snooze: snooze.until) if len(held) == len(cells) else None


def _resource(cell: LetterGroup) -> Resource:
    return Resource(queue=cell.sample.queue.name, kind=cell.sample.kind)


def _concerned(places: Sequence[Cell]) -> dict[str, Any]:
    """The one queue and the one kind that they are of, for the audit; None where there are several."""
    queues, kinds = {queue for _, queue, _ in places}, {kind for _, _, kind in places}
    return {
        "queue": queues.pop() if len(queues) == 1 else None,
        "kind": kinds.pop() if len(kinds) == 1 else None,
    }
