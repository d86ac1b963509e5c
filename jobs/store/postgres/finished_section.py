"""Jobs that have ended, as a section of a list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ..finished_job import FinishedJob
from ..job_filter import JobFilter, Sort
from ..paging import Place, Stretch
from .cursor import Position
from .history_reader import HistoryReader
from .search import position_of

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_OTHER_WAY = {
    Sort.NEWEST: Sort.OLDEST,
    Sort.OLDEST: Sort.NEWEST,
    Sort.SLOWEST: Sort.FASTEST,
    Sort.FASTEST: Sort.SLOWEST,
}


class FinishedSection:
    """Those that a filter means, in an order."""

    def __init__(self, history: HistoryReader, wanted: JobFilter, sort: Sort) -> None:
        self._history = history
        self._wanted = wanted
        self._sort = sort

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[FinishedJob]:
        """The next ones; a place is a `Position`, with µs for its time."""
        sort = _OTHER_WAY[self._sort] if backwards else self._sort
        position = None if after is None else _position(after)
        jobs = await self._history.find(self._wanted, sort, position, limit)
        found = [(_place(position_of(job, self._sort)), job) for job in jobs]
        return Stretch(found, found[-1][0] if len(found) >= limit else None)


def _place(position: Position) -> Place:
    return position.value, (position.ended_at - _EPOCH) // _MICROSECOND, position.job_id


def _position(place: Place) -> Position:
    value, microseconds, job_id = place
    return Position(value, _EPOCH + microseconds * _MICROSECOND, job_id)
