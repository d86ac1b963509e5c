"""When a job of each cron kind has succeeded last: workers write it down, and gauges tell it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from ..errors import StoreError
from .execute import Transport
from .fleet import Fleet
from .keys import CRON_SUCCESSES
from .last_times import begin_times, read_times


async def read_successes(transport: Transport, fleet: Fleet, kinds: Iterable[str]) -> dict[str, int]:
    """By kind, ms since the epoch.

    A kind that has not succeeded yet begins with now, so that one which never does is late some day, too.

    Raises:
        StoreError: Redis did not answer.
    """
    known = await read_times(transport, CRON_SUCCESSES)
    if new := set(kinds) - known.keys():
        now_ms = round(fleet.taken_at.timestamp() * 1000)
        with suppress(StoreError):  # a full Redis must not hide how full it is
            await begin_times(transport, CRON_SUCCESSES, new, now_ms)
        known |= dict.fromkeys(new, now_ms)
    return known
