"""How long a producer tries to reach a Redis that does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from random import uniform
from typing import TypeVar

from monarq.jobs.errors import StoreUnavailable

T = TypeVar("T")

#: Seconds before each further try, at most; in all some five seconds, the time of a failover.
_CEILINGS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Make an attempt that may be repeated, and repeat it for some seconds while Redis does not answer.

    Raises:
        StoreUnavailable: As the last attempt did.
    """
    for wait in _waits():
        try:
            return await attempt()
        except StoreUnavailable:
            await asyncio.sleep(wait)
    return await attempt()


def patiently_sync(attempt: Callable[[], T]) -> T:
    """The same without an event loop."""
    for wait in _waits():
        try:
            return attempt()
        except StoreUnavailable:
            time.sleep(wait)
    return attempt()


def _waits() -> Iterator[float]:
    return (uniform(ceiling / 2, ceiling) for ceiling in _CEILINGS)
