"""What could be typed next in a search: names, and values that jobs have which the caller may see.

Values are those of the newest jobs that have ended and the next ones that wait, the most frequent first.  So
nothing is offered that a list would not show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from monarq.jobs.priority import PRIORITIES
from monarq.jobs.state import FINAL, State
from monarq.jobs.store.job_search import NAMES, STATE_GROUPS, JobSearch
from monarq.jobs.store.search_terms import ARGUMENT, spelled, typed_at

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from .job_rows import JobRow
from .job_sections import Order
from .search import SearchService

_MOST = 20
_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Completions:
    """What could stand in a text from `start` to `end`."""

    start: int
    end: int
    items: Sequence[str]


_VALUES_OF: dict[str, Callable[[JobRow], Iterable[str | None]]] = {
    "queue": lambda row: [row.queue],
    "kind": lambda row: [row.kind],
    "tag": lambda row: row.tags,
    "worker": lambda row: [row.worker],
    "fingerprint": lambda row: [row.fingerprint],
    "error": lambda row: [row.error_type],
}
_FIXED = {
    "state": (*map(str, State), *STATE_GROUPS),
    "priority": tuple(map(str, PRIORITIES)),
    "after": ("15m", "1h", "24h", "7d"),
    "before": ("15m", "1h", "24h", "7d"),
}


class CompletionService:
    """Completes searches."""

    def __init__(self, search: SearchService, guard: Guard) -> None:
        self._search = search
        self._guard = guard

    async def complete(self, caller: Caller, text: str, at: int) -> Completions:
        """What could stand where somebody types whose cursor is at this place of the text.

        Raises:
            NotPermitted: The caller may see no jobs.
        """
        at = min(at, len(text))
        typing = typed_at(text, at)
        if typing.name is None:
            await self._guard.scope(caller, Permission.JOBS_READ)
            names = [f"{name}:" for name in NAMES] + [ARGUMENT]
            return Completions(typing.start, at, _beginning(names, typing.begun))
        found = _beginning(await self.values(caller, typing.name), typing.begun)
        return Completions(typing.start, at, [spelled("", value)[1:] for value in found])

    async def values(self, caller: Caller, name: str) -> Sequence[str]:
        """What a name can be, or is of jobs that the caller may see."""
        values_of = _VALUES_OF.get(name)
        if values_of is None:
            return _FIXED.get(name, ())
        ended = await self._search.page(caller, _ENDED, order=Order.LATEST_ENDED, limit=_LOOKED_AT)
        waits = await self._search.page(caller, _LIVE, limit=_LOOKED_AT)
        counts = Counter(value for row in (*ended.items, *waits.items) for value in values_of(row) if value)
        return [value for value, _ in counts.most_common()]


_ENDED = JobSearch(states=FINAL)
_LIVE = JobSearch(states=frozenset(State) - FINAL)


def _beginning(values: Iterable[str], begun: str) -> list[str]:
    """Those that begin so; then those in which it stands elsewhere."""
    wanted = begun.lower()
    first = [value for value in values if value.lower().startswith(wanted)]
    return (first + [value for value in values if wanted in value.lower() and value not in first])[:_MOST]
