"""How fast queues move: from the counters of two looks at them.

The first look of a process has others before it: the samples that workers take each minute.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .measure import QueueNumbers
from .series import Sample

#: Seconds over which a rate is taken, if there were looks then; else since the look before, if that was not
#: longer ago than `_LONGEST`.
WINDOW = 60.0
_LONGEST = 300.0
#: The same of what is told of late: as long as the alerts look back.
LATELY = 900.0
#: Seconds between two looks that are remembered for so long.
_SPARSE = 30.0
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


class _Track:
    """The looks at one queue: those of the last minute, and sparse ones of the last quarter of an hour."""

    def __init__(self, past: Iterable[_Look]) -> None:
        self._near: deque[_Look] = deque()
        self._far: deque[_Look] = deque()
        for look in past:
            self.add(look)

    def add(self, look: _Look) -> None:
        near, far = self._near, self._far
        if near and (look.attempts < near[-1].attempts or look.at_ms < near[-1].at_ms):
            near.clear()  # another server, or one that was flushed
            far.clear()
        near.append(look)
        while len(near) > 2 and look.at_ms - near[0].at_ms > WINDOW * 1000:
            near.popleft()
        if len(near) == 2 and look.at_ms - near[0].at_ms > _LONGEST * 1000:
            near.popleft()
        if not far or look.at_ms - far[-1].at_ms >= _SPARSE * 1000:
            far.append(look)
        while look.at_ms - far[0].at_ms > LATELY * 1000:
            far.popleft()

    @property
    def rate(self) -> Rate | None:
        return _between(self._near[0], self._near[-1])

    @property
    def lately(self) -> Rate | None:
        return _between(self._far[0], self._near[-1])


class Rates:
    """Remembers looks."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}

    def is_new(self, queue: str) -> bool:
        """Whether nothing is known of it."""
        return queue not in self._tracks

    def add(self, queues: Mapping[str, QueueNumbers], past: Mapping[str, Mapping[int, Sample]]) -> None:
        """One more look at all queues; what is gone is forgotten.

        Args:
            past: Of the queues that are new, the samples of the last minutes, by their time, ms.
        """
        for name in self._tracks.keys() - queues.keys():
            del self._tracks[name]
        for name, numbers in queues.items():
            look = _look_of(numbers)
            if name not in self._tracks:
                self._tracks[name] = _Track(_looks_before(look, past.get(name, {})))
            self._tracks[name].add(look)

    def of(self, queue: str) -> Rate | None:
        """The rate of the last minute; None while it is not known."""
        track = self._tracks.get(queue)
        return None if track is None else track.rate

    def lately(self, queue: str) -> Rate | None:
        """The rate of the last quarter of an hour, or of as much of it as is known."""
        track = self._tracks.get(queue)
        return None if track is None else track.lately


def _between(first: _Look, last: _Look) -> Rate | None:
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


def _looks_before(now: _Look, samples: Mapping[int, Sample]) -> Sequence[_Look]:
    """What samples have seen; jobs that lost their worker are in none of them."""
    looks = []
    for at_ms, sample in samples.items():
        completed = sample.succeeded + sample.dead + sample.cancelled + sample.expired
        look = _Look(
            at_ms=at_ms,
            enqueued=sample.enqueued,
            completed=completed,
            attempts=completed + sample.retrying,
            retried=sample.retrying,
            dead=sample.dead,
            lost=now.lost,
            ready=sample.ready,
        )
        if look.at_ms < now.at_ms and look.attempts <= now.attempts:
            looks.append(look)
    return looks
