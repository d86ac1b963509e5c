"""Looking for jobs: in Redis those that have not ended, in PostgreSQL those that have, as one list.

What the caller may see is a part of the search itself, so that pages, counts and cursors tell of nothing
else.
Where one of the two stores is away, the other one's jobs are told, and that the rest is missing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.job_filter import JobFilter
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.live_counts import count_by_queue, count_one_by_one
from monarq.jobs.store.live_search import LOOKED_AT, LiveLook
from monarq.jobs.store.paging import Mark, turn
from monarq.jobs.store.queues import known_queues

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..cache import Cache
from ..cursors import Cursors
from ..errors import NotPermitted
from .job_rows import AnyJob, JobRow, resource_of, row_of
from .job_sections import Order, Sections, finished_filter, sections_of, wants_live

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database
    from monarq.jobs.store.postgres.history_reader import HistoryReader

#: Who waits before a screen does not wait for long.
PATIENCE = timedelta(seconds=5)
#: Counting goes no further.
COUNTED_UP_TO = 10_000
_EXPORTED_AT_ONCE = 500
#: What is on many screens is read no more often than that.
_SHOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Note:
    """What a list does not tell, and why."""

    code: str
    detail: str


LIVE_AWAY = Note("live_unavailable", "Redis does not answer: jobs that have not ended are missing here")
HISTORY_AWAY = Note(
    "history_unavailable", "PostgreSQL does not answer in time: jobs that have ended are missing here"
)
NO_HISTORY = Note(
    "no_history", "there is no PostgreSQL: jobs that have ended are not kept, save dead letters"
)
LIVE_LEFT_OUT = Note("live_left_out", "jobs that have not ended have no place in this order")
IN_PART = Note(
    "searched_in_part", "many jobs wait, and not all were looked at; state:waiting alone looks further"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """One page of a search."""

    items: Sequence[JobRow]
    next: str | None
    prev: str | None
    notes: Sequence[Note]


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs a search has."""

    number: int
    #: There are more, or there may be.
    is_capped: bool


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search by somebody."""

    caller: Caller
    search: JobSearch
    order: Order
    #: What they may see, and of what the words.
    scope: Scope
    words: Scope

    def sees(self, job: AnyJob) -> bool:
        return self.scope.covers(resource_of(job, self.caller.subject))

    def row(self, job: AnyJob) -> JobRow:
        return row_of(job, tells_words=self.words.covers(resource_of(job, self.caller.subject)))


class SearchService:
    """Jobs, as far as the caller may see them.

    Args:
        database: Where jobs that have ended are kept; None: nowhere.
        cursors: Seal the places where pages end.
        tagged: As the setting `hash_tags`.
    """

    def __init__(
        self, transport: Transport, database: Database | None, guard: Guard, cursors: Cursors, *, tagged: bool
    ) -> None:
        self._transport = transport
        self._history = None if database is None else _history(database)
        self._guard = guard
        self._cursors = cursors
        self._tagged = tagged
        self._views: Cache[tuple[JobPage, JobCount]] = Cache(_SHOWN_SECONDS, stale_for=0, most=100)

    async def page(
        self,
        caller: Caller,
        search: JobSearch,
        *,
        order: Order = Order.STATE,
        cursor: str | None = None,
        limit: int,
    ) -> JobPage:
        """The first jobs of a search, or those where a cursor points.

        Raises:
            NotPermitted: The caller may see no jobs, or must not see what is looked for.
            InvalidParameter: The cursor is none, or of another search.
            StoreError: All that could be looked at is away.
        """
        asked = await self._asked(caller, search, order)
        bound_to = _identity(asked)
        mark = None if cursor is None else self._cursors.open(cursor, bound_to)
        sections, notes = await self._sections(asked)
        leaf = await turn(sections.all, mark, limit)
        notes += _missing(sections, leaf.missing, found=bool(leaf.items))
        if sections.waiting is not None and sections.waiting.is_partial:
            notes.append(IN_PART)

        def sealed(mark: Mark | None) -> str | None:
            return None if mark is None else self._cursors.seal(mark, bound_to)

        return JobPage(
            items=[asked.row(job) for job in leaf.items],
            next=sealed(leaf.next),
            prev=sealed(leaf.prev),
            notes=notes,
        )

    async def view(
        self,
        caller: Caller,
        search: JobSearch,
        *,
        order: Order,
        cursor: str | None,
        limit: int,
        as_of: str | None = None,
    ) -> tuple[JobPage, JobCount]:
        """A page and the number of all, as they are shown; with `as_of`, what that text has found just now.

        Many screens that show the same are so one question to the stores.
        """

        async def read() -> tuple[JobPage, JobCount]:
            page = await self.page(caller, search, order=order, cursor=cursor, limit=limit)
            return page, await self.count(caller, search)

        if as_of is None:
            return await read()
        asked = await self._asked(caller, search, order)
        key = f"{_identity(asked)}|{asked.words}|{as_of}|{cursor}|{limit}"
        return (await self._views.get(key, read)).value

    async def count(self, caller: Caller, search: JobSearch) -> JobCount:
        """How many jobs a search has, as far as they can be counted; exact up to `COUNTED_UP_TO`."""
        asked = await self._asked(caller, search, Order.STATE)
        try:
            live = await self._count_live(asked)
        except StoreError:
            live = JobCount(0, is_capped=True)
        finished = finished_filter(search, asked.scope)
        ended = JobCount(0, is_capped=False)
        if finished is not None:
            try:
                ended = await self._count_ended(finished)
            except StoreError:
                ended = JobCount(0, is_capped=True)
        number = live.number + ended.number
        return JobCount(
            min(number, COUNTED_UP_TO), live.is_capped or ended.is_capped or number > COUNTED_UP_TO
        )

    async def export(
        self, caller: Caller, search: JobSearch, *, order: Order, at_most: int
    ) -> AsyncIterator[Sequence[JobRow]]:
        """All jobs of a search, some at a time."""
        cursor, left = None, at_most
        while left > 0:
            page = await self.page(
                caller, search, order=order, cursor=cursor, limit=min(left, _EXPORTED_AT_ONCE)
            )
            yield page.items
            cursor, left = page.next, left - len(page.items)
            if cursor is None:
                return

    async def _count_ended(self, finished: JobFilter) -> JobCount:
        if self._history is None:
            return JobCount(0, is_capped=False)
        counted = await self._history.count(finished, COUNTED_UP_TO)
        return JobCount(counted.number, counted.is_capped)

    async def _count_live(self, asked: _Asked) -> JobCount:
        if not wants_live(asked.search):
            return JobCount(0, is_capped=False)
        known = await known_queues(self._transport, tagged=self._tagged)
        queues = [keys for keys in known if asked.scope.touches(keys.name)]
        look = LiveLook(self._transport, queues, asked.search, asked.sees, LOOKED_AT)
        if all(asked.scope.covers(Resource(queue=keys.name)) for keys in queues):
            number = await count_by_queue(look)
            if number is not None:
                return JobCount(number, is_capped=False)
        number, is_partial = await count_one_by_one(look, COUNTED_UP_TO + 1)
        return JobCount(number, is_partial)

    async def _asked(self, caller: Caller, search: JobSearch, order: Order) -> _Asked:
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        try:
            words = await self._guard.scope(caller, Permission.JOBS_PAYLOAD)
        except NotPermitted:
            words = Scope()
        if search.filter.text is not None or search.filter.payload:
            # who could search by what they must not see could guess it
            if not words:
                raise NotPermitted(Permission.JOBS_PAYLOAD)
            scope &= words
        return _Asked(caller, search, order, scope, words)

    async def _sections(self, asked: _Asked) -> tuple[Sections, list[Note]]:
        search, order = asked.search, asked.order
        notes: list[Note] = []
        finished = finished_filter(search, asked.scope)
        if finished is not None and order.sort is not None and self._history is None:
            notes.append(NO_HISTORY)
        queues: Sequence[QueueKeys] = ()
        away = None
        if wants_live(search) and not order.has_live:
            notes.append(LIVE_LEFT_OUT)
        elif wants_live(search):
            try:
                known = await known_queues(self._transport, tagged=self._tagged)
                queues = [keys for keys in known if asked.scope.touches(keys.name)]
            except StoreError as error:
                away = error
        look = LiveLook(self._transport, queues, search, asked.sees, LOOKED_AT)
        return sections_of(look, self._history, finished, order, away=away), notes


def _history(database: Database) -> HistoryReader:
    from monarq.jobs.store.postgres.history_reader import HistoryReader

    return HistoryReader(database, PATIENCE)


def _identity(asked: _Asked) -> str:
    """What a cursor is bound to: the search without its times, for "2h ago" is another one each time."""
    timeless = replace(asked.search.filter, since=None, until=None)
    parts = finished_filter(JobSearch(), asked.scope)
    return f"{asked.order}|{sorted(asked.search.states)}|{timeless}|{parts}"


def _missing(sections: Sections, missing: dict[int, StoreError], *, found: bool) -> list[Note]:
    if missing and not found and len(missing) == len(sections.all):
        raise next(iter(missing.values()))
    is_live = {number < len(sections.live) for number in missing}
    return [note for flag, note in ((True, LIVE_AWAY), (False, HISTORY_AWAY)) if flag in is_live]
