"""How long a producer tries to reach a Redis that does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from random import uniform

#: Seconds before each further try, at most; in all some five seconds, the time of a failover.
_CEILINGS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)


def waits_between_tries() -> Iterator[float | None]:
    """Per try, the seconds to wait after it has failed; None for the last one."""
    for ceiling in _CEILINGS:
        yield uniform(ceiling / 2, ceiling)
    yield None
