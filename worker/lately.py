"""What a worker has done lately: what it has counted until now, less what it had counted some minutes ago.

So the hot path counts once, for those who scrape, and the report costs it nothing.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from heapq import nlargest
from typing import Generic, TypeVar

from .fresh_ends import Ending, Pair
from .meters import Meters

#: Seconds that are looked back upon: those of the alerts JobFailureRatioHigh and QueueWaitBudgetBurn.
_TEN_MINUTES, _FIVE_MINUTES, _AN_HOUR = 600.0, 300.0, 3_600.0
#: Between two looks that are remembered.
_A_MINUTE = 60.0
#: Of the kinds that have run, so many are told: those of the most attempts.
MOST_KINDS = 100
#: Those that are none: nothing has been tried to its end, or another worker counts it.
_NO_END = (Ending.HANDED_BACK, Ending.SNOOZED, Ending.REFUSED)
#: Endings of attempts that have not done what they were to do.
_BAD = (Ending.RETRIED, Ending.TIMED_OUT, Ending.DEAD, Ending.LOST)

Key = TypeVar("Key")
Counts = tuple[int, int]


class _Past(Generic[Key]):
    """Pairs of counters as they were, minute by minute."""

    def __init__(self, kept: float, now: float) -> None:
        self._kept = kept
        self._looks: deque[tuple[float, Mapping[Key, Counts]]] = deque([(now, {})])

    def look(self, now: float, counts: Mapping[Key, Counts]) -> None:
        """Remember what they are now."""
        if now - self._looks[-1][0] >= _A_MINUTE:
            self._looks.append((now, counts))
        while now - self._looks[0][0] > self._kept and len(self._looks) > 1:
            self._looks.popleft()

    def growth(self, now: float, counts: Mapping[Key, Counts], within: float) -> dict[Key, Counts]:
        """By how much they have grown within so many seconds."""
        last = self._looks[-1]
        _, before = next((look for look in self._looks if now - look[0] <= within), last)
        return {
            key: (first - before.get(key, (0, 0))[0], second - before.get(key, (0, 0))[1])
            for key, (first, second) in counts.items()
        }


class Lately:
    """Tells it.  Only the thread that reports uses it."""

    def __init__(self, meters: Meters, clock: Callable[[], float] = time.monotonic) -> None:
        self._meters = meters
        self._clock = clock
        self._attempts = _Past[Pair](_TEN_MINUTES, clock())
        self._starts = _Past[str](_AN_HOUR, clock())

    def report(self) -> dict[str, object]:
        """A part of the worker's report; `AttemptsReport` and `StartsReport` are how it is read."""
        now = self._clock()
        attempts, starts = self._count_attempts(), self._count_starts()
        told: dict[str, object] = {
            "attempts": _told_attempts(self._attempts.growth(now, attempts, _TEN_MINUTES)),
            "starts": _told_starts(
                self._starts.growth(now, starts, _AN_HOUR), self._starts.growth(now, starts, _FIVE_MINUTES)
            ),
        }
        self._attempts.look(now, attempts)
        self._starts.look(now, starts)
        return told

    def _count_attempts(self) -> dict[Pair, Counts]:
        # copies: the event loop goes on counting
        counted = {pair: endings.copy() for pair, endings in self._meters.endings.copy().items()}
        return {
            pair: (
                sum(endings.values()) - sum(endings[none] for none in _NO_END),
                sum(endings[bad] for bad in _BAD),
            )
            for pair, endings in counted.items()
        }

    def _count_starts(self) -> dict[str, Counts]:
        started: Counter[str] = Counter()
        for (queue, _), waits in list(self._meters.wait_ms.items()):
            started[queue] += sum(waits.counts)
        met = self._meters.met.copy()
        return {queue: (number, met[queue]) for queue, number in started.items()}


def _told_attempts(grown: Mapping[Pair, Counts]) -> list[dict[str, object]]:
    most = nlargest(MOST_KINDS, grown.items(), key=lambda item: item[1])
    return [
        {"queue": queue, "kind": kind, "ended": ended, "failed": failed}
        for (queue, kind), (ended, failed) in most
        if ended
    ]


def _told_starts(hour: Mapping[str, Counts], lately: Mapping[str, Counts]) -> list[dict[str, object]]:
    return [
        {
            "queue": queue,
            "number": number,
            "in_time": in_time,
            "number_lately": lately[queue][0],
            "in_time_lately": lately[queue][1],
        }
        for queue, (number, in_time) in hour.items()
        if number
    ]
