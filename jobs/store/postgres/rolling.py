"""Rolling up the history: what has ended, counted per span of time, queue and kind.

A span is counted from the rows of the history, whole, each time: so that doing it twice does no harm, and
nothing has to be known of what was counted before.  The newest spans are counted again and again until
nothing more is to be expected; what is written later than that says so in its own transaction
(`late_spans`), and its span is counted once more.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from .database import Database
from .repositories.rollups import Progress, Rollups
from .unit_of_work import UnitOfWork

FIVE, HOUR = 5, 60
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: How much of the history is counted in one transaction.
STEP = timedelta(hours=1)
#: So much of what was counted is counted again.
RECOUNTED = timedelta(minutes=15)
#: What is written so long after its end is written late.  Much less than `RECOUNTED`: clocks may be off.
LATE = timedelta(minutes=5)
#: A job may end ahead of PostgreSQL's clock.
_AHEAD = timedelta(minutes=10)
#: Spans of five minutes are kept so long; of what is older there are hours only.
FIVE_KEPT = timedelta(days=3)
_LATE_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Turn:
    """What one transaction has done."""

    counted_until: datetime
    #: There is nothing left to do for now.
    is_done: bool


class Roller:
    """Rolls up, step by step.

    Args:
        keep: How long hours are kept; zero for ever.
    """

    def __init__(self, database: Database, *, keep: timedelta) -> None:
        self._database = database
        self._keep = keep

    async def step(self) -> Turn | None:
        """Roll up the next hour at most; None if somebody else is at it.

        Raises:
            DatabaseUnavailable: PostgreSQL did not answer.
        """
        return await self._database.transact(self._step)

    async def _step(self, unit: UnitOfWork) -> Turn | None:
        if not await unit.rollups.take_turn():
            return None
        progress = await unit.rollups.progress()
        since, until, present = _next_step(progress)
        fine_from = _first_fine(progress.now)
        await _count(unit.rollups, _spans(since - RECOUNTED, until), fine_from)
        late = await unit.rollups.take_late(_LATE_AT_ONCE)
        await _count(unit.rollups, sorted(set(late)), fine_from)
        await unit.rollups.note_progress(min(until, present))
        is_done = until >= present and len(late) < _LATE_AT_ONCE
        if is_done:
            await unit.rollups.drop(FIVE, fine_from)
            if self._keep:
                await unit.rollups.drop(HOUR, progress.now - self._keep)
        return Turn(min(until, present), is_done)


def late_spans(ended: Iterable[datetime], now: datetime) -> set[datetime]:
    """The spans of jobs that are only now written, though they may have been counted without them."""
    return {_floor(moment, FIVE) for moment in ended if now - moment > LATE}


def _next_step(progress: Progress) -> tuple[datetime, datetime, datetime]:
    """From when to when is to be counted, and the span that it is now."""
    present = _floor(progress.now, FIVE)
    since = progress.counted_until or present
    # where nothing has ended there is nothing to count: after a long rest, or before the first job of all
    following = _floor(progress.next_end, HOUR) if progress.next_end else present
    if progress.counted_until is None or following > since:
        since = min(following, present)
    until = since + STEP
    return since, until if until < present else present + _AHEAD, present


async def _count(rollups: Rollups, spans: list[datetime], fine_from: datetime) -> None:
    fine = [span for span in spans if span >= fine_from]
    await rollups.count(FIVE, fine)
    await rollups.add_up(_hours(fine))
    # of these there are no spans of five minutes, or soon none
    await rollups.count(HOUR, _hours(span for span in spans if span < fine_from))


def _first_fine(now: datetime) -> datetime:
    """The first span of five minutes that is kept: whole days are."""
    return _floor(now - FIVE_KEPT, 24 * HOUR)


def _spans(since: datetime, until: datetime) -> list[datetime]:
    first, size = _floor(since, FIVE), timedelta(minutes=FIVE)
    return [first + n * size for n in range(-(-(until - first) // size))]


def _hours(spans: Iterable[datetime]) -> list[datetime]:
    return sorted({_floor(span, HOUR) for span in spans})


def _floor(moment: datetime, minutes: int) -> datetime:
    return moment - (moment - _EPOCH) % timedelta(minutes=minutes)
