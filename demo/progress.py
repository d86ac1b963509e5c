"""How far the jobs are, by the counters that the queues keep of themselves."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.queues import QueueCounts, count

from .plan import QUEUES

#: Seconds over which the rate is taken.
_RATE_WINDOW = 2.0
_FINAL = ("succeeded", "dead", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Tally:
    """One kind in numbers."""

    kind: str
    counts: QueueCounts

    @property
    def ended(self) -> int:
        """How often a job has ended."""
        return sum(self.counter(state) for state in _FINAL)

    def counter(self, name: str) -> int:
        """What the scripts have counted under this name."""
        return self.counts.counters.get(name, 0)


@dataclass
class Progress:
    """Looks at the queues, and knows how fast they move."""

    link: Link
    _history: deque[tuple[float, int]] = field(default_factory=deque)

    async def look(self) -> list[Tally]:
        """Every kind as it stands now."""
        counts = await asyncio.gather(*(count(self.link, queue_keys(queue)) for queue in QUEUES.values()))
        tallies = [Tally(kind, one) for kind, one in zip(QUEUES, counts, strict=True)]
        now = time.monotonic()
        self._history.append((now, ended(tallies)))
        while now - self._history[0][0] > _RATE_WINDOW:
            self._history.popleft()
        return tallies

    @property
    def rate(self) -> float:
        """Jobs that ended per second, lately."""
        (first, before), (last, after) = self._history[0], self._history[-1]
        return (after - before) / (last - first) if last > first else 0.0


def ended(tallies: Sequence[Tally]) -> int:
    """How many jobs have ended."""
    return sum(tally.ended for tally in tallies)
