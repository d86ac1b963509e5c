"""From when to when something is told, and in which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from ..errors import InvalidRequest

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE_MINUTES = 5 * MINUTE
#: A chart has no more points, nor a table more rows.
MOST_POINTS = 1_000
#: Longer windows take too long to add up.
LONGEST = 92 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Range(StrEnum):
    """The windows that are asked for most: until now, so far back."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def span(self) -> timedelta:
        """How far back."""
        return _SPANS[self]


_SPANS = {Range.HOUR: HOUR, Range.DAY: DAY, Range.WEEK: 7 * DAY, Range.MONTH: 30 * DAY}
#: What a step may be, and how far back a window may reach that has these steps unless others are asked for.
_STEPS = (
    (MINUTE, HOUR),
    (FIVE_MINUTES, 6 * HOUR),
    (10 * MINUTE, DAY),
    (30 * MINUTE, 3 * DAY),
    (HOUR, 8 * DAY),
    (4 * HOUR, 31 * DAY),
    (DAY, LONGEST),
)


@dataclass(frozen=True, slots=True)
class Window:
    """A time in steps of equal length, which begin at whole steps from midnight (UTC)."""

    since: datetime
    until: datetime
    step: timedelta

    @property
    def starts(self) -> Sequence[datetime]:
        """When each step begins."""
        return [self.since + n * self.step for n in range((self.until - self.since) // self.step)]

    def start_of(self, moment: datetime) -> datetime:
        """When the step begins that a moment lies in."""
        return moment - (moment - _EPOCH) % self.step

    @property
    def has_whole_hours(self) -> bool:
        """Whether it can be told from numbers per hour."""
        return self.step % HOUR == timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The window that somebody asks for."""

    range: Range | None = None
    since: datetime | None = None
    until: datetime | None = None
    step: timedelta | None = None

    def window(self, now: datetime, finest: timedelta) -> Window:
        """It, in steps that are no finer than these.

        Raises:
            InvalidRequest: It has no end or no length, or more steps than anybody can look at.
        """
        since, until = self._ends(now)
        if not timedelta(0) < until - since <= LONGEST:
            raise InvalidRequest({"from": f"must lie before `to`, by at most {LONGEST.days} days"})
        step = max(finest, self.step or _usual(until - since))
        if step not in {possible for possible, _ in _STEPS}:
            allowed = ", ".join(str(round(possible.total_seconds())) for possible, _ in _STEPS)
            raise InvalidRequest({"step": f"must be one of {allowed} (seconds)"})
        whole = Window(_down(since, step), _down(until - timedelta.resolution, step) + step, step)
        if (whole.until - whole.since) // step > MOST_POINTS:
            raise InvalidRequest(
                {"step": f"there would be more than {MOST_POINTS} points; take longer steps"}
            )
        return whole

    def _ends(self, now: datetime) -> tuple[datetime, datetime]:
        if self.range is not None:
            if self.since is not None or self.until is not None:
                raise InvalidRequest({"range": "give either `range`, or `from` and `to`"})
            return now - self.range.span, now
        until = self.until or now
        return self.since or until - Range.DAY.span, until


def _usual(span: timedelta) -> timedelta:
    return next(step for step, longest in _STEPS if span <= longest)


def _down(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - _EPOCH) % step
