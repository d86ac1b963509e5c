"""So many in a second, and no burst after a pause."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

#: Parts that a second is cut into: a few now and then rather than many at once.
_PARTS = 10


class Pace:
    """Says when the next ones may go.

    Args:
        per_second: How many; None: as fast as it goes.
        most: In one go, whatever the rate.
        clock: Seconds, never set back.
    """

    def __init__(
        self, per_second: float | None, *, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._clock = clock
        self._next = -math.inf
        #: How many may go at once.
        self.stride = most if per_second is None else max(1, min(most, int(per_second / _PARTS)))

    def wait(self, count: int) -> float:
        """Seconds until `count` more may go; from then on they count as gone."""
        if self._per_second is None:
            return 0.0
        now = self._clock()
        start = max(now, self._next)  # time that was not used is lost, or a stop would end in a burst
        self._next = start + count / self._per_second
        return start - now
