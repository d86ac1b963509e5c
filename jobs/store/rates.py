"""How fast queues move: from the counters of two looks at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .measure import QueueNumbers

#: Seconds over which a rate is taken, if there were looks then; else since the look before, if that was not
#: longer ago than this.
WINDOW = 60.0
_LONGEST = 300.0
#: Two looks that are closer together say nothing.
_SHORTEST = 0.5
_ENDS = ("succeeded", "dead", "cancelled", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How one queue moves: jobs per second."""

    #: The seconds that it was taken over.
    over: float
    enqueued: float
    #: Have ended, in whatever way.
    completed: float
    #: Attempts that have ended: those that ended their job, and those that are to be repeated.
    attempts: float
    #: Those of them that are to be repeated, that made a dead letter, and whose worker died.
    retried: float
    dead: float
    lost: float
    #: How the number of ready jobs changes.
    ready_growth: float


class _Look(NamedTuple):
    at_ms: int
    enqueued: int
    completed: int
    attempts: int
    retried: int
    dead: int
    lost: int
    ready: int


class Rates:
    """Remembers the looks of the last minutes."""

    def __init__(self) -> None:
        self._looks: dict[str, deque[_Look]] = {}

    def add(self, queues: Mapping[str, QueueNumbers]) -> None:
        """One more look at all queues; what is gone is forgotten."""
        for name in self._looks.keys() - queues.keys():
            del self._looks[name]
        for name, numbers in queues.items():
            looks = self._looks.setdefault(name, deque())
            look = _look_of(numbers)
            if looks and (look.attempts < looks[-1].attempts or look.at_ms < looks[-1].at_ms):
                looks.clear()  # another server, or one that was flushed
            looks.append(look)
            self._forget(looks)

    def of(self, queue: str) -> Rate | None:
        """The rate of a queue; None while it is not known."""
        looks = self._looks.get(queue)
        if not looks:
            return None
        first, last = looks[0], looks[-1]
        seconds = (last.at_ms - first.at_ms) / 1000
        if seconds < _SHORTEST:
            return None
        enqueued, completed, attempts, retried, dead, lost, growth = (
            (after - before) / seconds for before, after in zip(first[1:], last[1:], strict=True)
        )
        return Rate(
            over=seconds,
            enqueued=enqueued,
            completed=completed,
            attempts=attempts,
            retried=retried,
            dead=dead,
            lost=lost,
            ready_growth=growth,
        )

    @staticmethod
    def _forget(looks: deque[_Look]) -> None:
        """Keep the looks of the window, or one before it if it holds no other."""
        now_ms = looks[-1].at_ms
        while len(looks) > 2 and now_ms - looks[0].at_ms > WINDOW * 1000:
            looks.popleft()
        if len(looks) == 2 and now_ms - looks[0].at_ms > _LONGEST * 1000:
            looks.popleft()


def _look_of(numbers: QueueNumbers) -> _Look:
    counted = numbers.counters
    completed, retried = sum(counted.get(end, 0) for end in _ENDS), counted.get("retrying", 0)
    return _Look(
        at_ms=numbers.at_ms,
        enqueued=counted.get("enqueued", 0),
        completed=completed,
        attempts=completed + retried,
        retried=retried,
        dead=counted.get("dead", 0),
        lost=counted.get("failed:crash", 0),
        ready=numbers.ready,
    )
