"""The last day of each queue, a sample a minute: what places without PostgreSQL draw charts from.

An entry of a queue's stream is one sample, and its id the minute at whose beginning it was taken.  So a
minute has one sample, however many workers take it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

from ..errors import StoreRefused
from .clock import server_ms
from .execute import Transport
from .keys import SAMPLED, QueueKeys
from .queues import count

MINUTE_MS = 60_000
#: No sample is older.
KEPT = timedelta(hours=24)
_KEPT_MS = round(KEPT.total_seconds() * 1000)
_HOUR_MS = 3_600_000
#: Shorter than a minute, so that a late turn does not cost the next minute its sample.
_TURN_MS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One queue in numbers, at the beginning of a minute."""

    ready: int
    running: int
    waiting: int
    #: For how long the oldest ready job has been due; 0 if none is.
    oldest_ms: int
    #: Counters: how many so far, since the queue exists.
    enqueued: int
    started: int
    succeeded: int
    retrying: int
    dead: int
    cancelled: int
    expired: int


_FIELDS = tuple(field.name for field in fields(Sample))
_COUNTERS = _FIELDS[4:]


async def take_turn(transport: Transport) -> bool:
    """Whether this minute's samples are the caller's to take: they are for one caller of all.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    return await transport.call("SET", SAMPLED, "1", "NX", "PX", _TURN_MS) is not None


async def sample(transport: Transport, queues: Iterable[QueueKeys], minute_ms: int) -> None:
    """Take and keep the numbers of these queues.

    Args:
        minute_ms: The minute that has begun, ms since the epoch.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    await asyncio.gather(*(_sample(transport, queue, minute_ms) for queue in queues))


async def read_samples(
    transport: Transport, queue: QueueKeys, since_ms: int, until_ms: int
) -> dict[int, Sample]:
    """The samples of some minutes, by the minute (ms since the epoch), in order of time.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    entries = await transport.call("XRANGE", queue.series, max(0, since_ms), max(0, until_ms))
    return dict(map(_read, entries))


async def oldest_ready_ms(transport: Transport, queue: QueueKeys, now_ms: int) -> int:
    """For how long the oldest job that may be claimed has been due; 0 if none may.

    Jobs of a paused kind that were put aside are not looked at: they are meant to wait.
    """
    first = ("-inf", now_ms, "BYSCORE", "LIMIT", 0, 1, "WITHSCORES")
    found = await asyncio.gather(*(transport.call("ZRANGE", rank, *first) for rank in queue.ranks))
    return max((now_ms - int(float(one[1])) for one in found if one), default=0)


async def _sample(transport: Transport, queue: QueueKeys, minute_ms: int) -> None:
    # most queues of an idle fleet: two short looks instead of a dozen
    is_empty = await transport.call("EXISTS", *queue.ranks, queue.pause) == 0
    taken = await (_sample_of_empty(transport, queue) if is_empty else _sample_of_full(transport, queue))
    values = [word for pair in asdict(taken).items() for word in pair]
    with suppress(StoreRefused):  # somebody else has taken this minute's
        first = ("MINID", "~", minute_ms - _KEPT_MS)
        await transport.call("XADD", queue.series, *first, f"{minute_ms}-0", *values)
        if minute_ms % _HOUR_MS == 0:
            await transport.call("PEXPIRE", queue.series, _KEPT_MS + _HOUR_MS)


async def _sample_of_full(transport: Transport, queue: QueueKeys) -> Sample:
    now_ms = await server_ms(transport)
    counts, oldest_ms = await asyncio.gather(
        count(transport, queue), oldest_ready_ms(transport, queue, now_ms)
    )
    return Sample(
        ready=counts.ready,
        running=counts.running,
        waiting=counts.waiting,
        oldest_ms=oldest_ms,
        **{name: counts.counters.get(name, 0) for name in _COUNTERS},
    )


async def _sample_of_empty(transport: Transport, queue: QueueKeys) -> Sample:
    counted = await transport.call("HMGET", queue.stats, *_COUNTERS)
    counters = {name: int(value or 0) for name, value in zip(_COUNTERS, counted, strict=True)}
    return Sample(ready=0, running=0, waiting=0, oldest_ms=0, **counters)


def _read(entry: Sequence[Any]) -> tuple[int, Sample]:
    minute, flat = entry
    told = {name.decode(): int(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}
    # an entry of another release may lack one, or have one more
    return int(minute.partition(b"-")[0]), Sample(**{name: told.get(name, 0) for name in _FIELDS})
