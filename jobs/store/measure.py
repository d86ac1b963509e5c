"""The numbers of one queue, read at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ..priority import PRIORITIES, Priority
from .keys import QueueKeys
from .pauses import Pause, read_pauses
from .request import Request, rank_keys, request
from .verbs import milliseconds

#: What is due within this time is due soon.
SOON = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityNumbers:
    """The jobs of one priority in one queue, without those that were put aside."""

    priority: Priority
    ready: int
    running: int
    scheduled: int
    retrying: int
    #: For how long the oldest of the ready ones has been ready; None if none is.
    oldest_ready: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueNumbers:
    """One queue in numbers."""

    queue: str
    #: The server's clock.
    at_ms: int
    #: May be claimed now, or as soon as a pause of their kind or of the queue is over.
    ready: int
    #: Of the ready ones those that were put aside, since their kind is paused.
    parked: int
    #: Are held by a worker whose lease holds.
    running: int
    scheduled: int
    #: Wait out their backoff after a failure.
    retrying: int
    #: Of the scheduled and the retrying ones, those that are due soon.
    due_soon: int
    #: Dead letters, as far as Redis has them.
    dead: int
    #: For how long the oldest of the ready jobs has been ready; those that were put aside do not count.
    oldest_ready: timedelta | None
    oldest_parked: timedelta | None
    priorities: tuple[PriorityNumbers, ...]
    #: What the scripts have counted since the queue exists: enqueued, started, succeeded, retrying, dead, …
    counters: dict[str, int]
    pauses: Sequence[Pause]

    @property
    def waiting(self) -> int:
        """Wait for their time."""
        return self.scheduled + self.retrying

    @property
    def pause(self) -> Pause | None:
        """That of the whole queue."""
        return next((pause for pause in self.pauses if pause.kind is None), None)

    @property
    def claimable(self) -> int:
        """What a worker that comes now is given."""
        return 0 if self.pause is not None else self.ready - self.parked

    @property
    def is_empty(self) -> bool:
        """Whether no job waits or runs."""
        return not (self.ready or self.running or self.waiting)


def measure(queue: QueueKeys) -> Request[QueueNumbers]:
    """Count one queue: it costs the same however many jobs wait."""

    def read(reply: list[Any]) -> QueueNumbers:
        now_ms, running, dead, parked, due_soon, oldest_parked, counters, pauses, *ranks = reply
        priorities = tuple(
            _read_priority(priority, rank, now_ms) for priority, rank in zip(PRIORITIES, ranks, strict=True)
        )
        ages = [one.oldest_ready for one in priorities if one.oldest_ready is not None]
        return QueueNumbers(
            queue=queue.name,
            at_ms=now_ms,
            ready=sum(one.ready for one in priorities) + parked,
            parked=parked,
            running=running,
            scheduled=sum(one.scheduled for one in priorities),
            retrying=sum(one.retrying for one in priorities),
            due_soon=due_soon,
            dead=dead,
            oldest_ready=max(ages, default=None),
            oldest_parked=_age(oldest_parked, now_ms),
            priorities=priorities,
            counters=_read_counters(counters),
            pauses=read_pauses(queue.name, pauses, now_ms),
        )

    return request(
        "measure",
        read,
        **rank_keys(queue),
        running=queue.running,
        dead=queue.dead,
        stats=queue.stats,
        pause=queue.pause,
        soon_ms=milliseconds(SOON),
    )


def _read_priority(priority: Priority, rank: list[Any], now_ms: int) -> PriorityNumbers:
    total, ready, running, retrying, oldest = rank
    return PriorityNumbers(
        priority=priority,
        ready=ready,
        running=running,
        scheduled=total - ready - running - retrying,
        retrying=retrying,
        oldest_ready=_age(oldest, now_ms),
    )


def _age(since_ms: bytes | None, now_ms: int) -> timedelta | None:
    # arq's own producers may have entered a fraction
    return None if since_ms is None else timedelta(milliseconds=max(0.0, now_ms - float(since_ms)))


def _read_counters(flat: Sequence[bytes]) -> dict[str, int]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode("utf-8", "replace"): int(number) for name, number in pairs if number.isdigit()}
