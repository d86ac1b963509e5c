"""Which sections a list of jobs has: those that run, those that wait, those that have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from monarq.jobs.errors import StoreError
from monarq.jobs.state import FINAL, State
from monarq.jobs.store.job_filter import JobFilter, Part, Sort
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.live_search import LiveLook, NamedJobs, RunningJobs, WaitingJobs
from monarq.jobs.store.paging import Place, Section, Stretch

from ..access.ownership import owner_tag
from ..access.scope import WHOLE, Scope
from .job_rows import AnyJob

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.history_reader import HistoryReader

_WAITING = frozenset({State.SCHEDULED, State.READY, State.RETRYING})


class Order(StrEnum):
    """Which jobs come first."""

    #: Those that run, those that wait (what is due longest first), those that have ended (newest first).
    STATE = "state"
    ENDED = "ended_at"
    LATEST_ENDED = "-ended_at"
    FASTEST = "run_ms"
    SLOWEST = "-run_ms"
    DUE = "due_at"
    LATEST_DUE = "-due_at"

    @property
    def sort(self) -> Sort | None:
        """The order of those that have ended; None: they are left out."""
        return _SORTS.get(self)

    @property
    def has_live(self) -> bool:
        """Whether jobs that have not ended have a place in it."""
        return self in (Order.STATE, Order.DUE, Order.LATEST_DUE)


_SORTS = {
    Order.STATE: Sort.NEWEST,
    Order.ENDED: Sort.OLDEST,
    Order.LATEST_ENDED: Sort.NEWEST,
    Order.FASTEST: Sort.FASTEST,
    Order.SLOWEST: Sort.SLOWEST,
}


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of one list."""

    live: Sequence[Section[AnyJob]]
    finished: Sequence[Section[AnyJob]]
    waiting: WaitingJobs | None

    @property
    def all(self) -> Sequence[Section[AnyJob]]:
        """In their order."""
        return [*self.live, *self.finished]


def sections_of(
    look: LiveLook,
    history: HistoryReader | None,
    finished: JobFilter | None,
    order: Order,
    *,
    away: StoreError | None = None,
) -> Sections:
    """The sections of a search: always the same ones for the same search, for places count them.

    Args:
        look: What is looked for among those that have not ended.
        history: Where those that have ended stand.
        finished: Which of them are meant; None: none.
        order: Which come first.
        away: Why those that have not ended cannot be looked at.
    """
    ended: list[Section[Any]] = []
    if history is not None and finished is not None and order.sort is not None:
        # it needs the packages for PostgreSQL
        from monarq.jobs.store.postgres.finished_section import FinishedSection

        ended.append(FinishedSection(history, finished, order.sort))
    live, waiting = _live(look, order, goes_on=not ended) if order.has_live else ([], None)
    return Sections(live if away is None else [_Away(away) for _ in live], ended, waiting)


def _live(look: LiveLook, order: Order, *, goes_on: bool) -> tuple[list[Section[Any]], WaitingJobs | None]:
    search = look.search
    if search.filter.job_id is not None:
        return [NamedJobs(look)] if wants_live(search) else [], None
    live: list[Section[Any]] = []
    if search.wants(State.RUNNING) and order is Order.STATE:
        live.append(RunningJobs(look))
    if not any(map(search.wants, _WAITING)) or search.filter.worker is not None:  # who waits has no worker
        return live, None
    waiting = WaitingJobs(look, latest_first=order is Order.LATEST_DUE, goes_on=goes_on)
    return [*live, waiting], waiting


class _Away:
    """A section that cannot be looked at."""

    def __init__(self, error: StoreError) -> None:
        self._error = error

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[AnyJob]:
        raise self._error


def wants_live(search: JobSearch) -> bool:
    """Whether jobs that have not ended are meant."""
    return any(search.wants(state) for state in State if state not in FINAL)


def finished_filter(search: JobSearch, scope: Scope) -> JobFilter | None:
    """Which jobs that have ended a search means, within what the caller may see; None: none of them."""
    states = tuple(sorted(str(state) for state in FINAL if search.wants(state)))
    if not states:
        return None
    state = None if len(states) == len(FINAL) else states if len(states) > 1 else states[0]
    return replace(search.filter, state=state, within=_parts(scope))


def _parts(scope: Scope) -> tuple[Part, ...] | None:
    if scope.covers(WHOLE):
        return None
    return tuple(
        Part(
            queues=area.queues,
            kinds=area.kinds,
            tag=None if area.owner is None else owner_tag(area.owner),
        )
        for area in scope.areas
    )
