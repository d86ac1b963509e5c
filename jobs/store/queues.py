"""Which queues exist, and how much waits in each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import DefinitionError, StoreRefused
from .clock import server_ms
from .execute import Transport
from .keys import QUEUES, QueueKeys, arq_queue_keys, queue_keys

#: Stands before the name of a zset: that of an arq queue which is named freely (`queue_name="mail"`), so
#: that no rule leads from the queue's name to its zset.  No queue's name begins with it.
_FREELY_NAMED = "="


async def announce(transport: Transport, queues: Iterable[QueueKeys]) -> None:
    """Enter the queues into the list of those that exist; entering one twice is harmless."""
    await transport.call("SADD", QUEUES, *map(entry_of, queues))


async def known_queues(transport: Transport, *, tagged: bool) -> list[QueueKeys]:
    """Every queue that a producer or a worker has entered, sorted by name; `default` always is among them."""
    entries = {entry.decode("utf-8", "replace") for entry in await transport.call("SMEMBERS", QUEUES)}
    found = {
        keys.ranks: keys for entry in entries | {"default"} if (keys := keys_of(entry, tagged)) is not None
    }
    return sorted(found.values(), key=lambda keys: keys.name)


async def queue_of(transport: Transport, job_id: str, *, tagged: bool) -> QueueKeys | None:
    """The queue in which a job waits, runs or lies dead; None if it is in none that is known.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    for queue in await known_queues(transport, tagged=tagged):
        places = (*queue.ranks, queue.dead)
        scores = await asyncio.gather(*(transport.call("ZSCORE", place, job_id) for place in places))
        if any(score is not None for score in scores):
            return queue
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts:
    """One queue in numbers.  They are read one after another: a busy queue's may be out of step by a few."""

    queue: str
    #: May be claimed now, or as soon as a pause of their kind or of the queue is over.
    ready: int
    #: Are held by a worker whose lease holds.
    running: int
    #: Wait for their time: scheduled, or retrying.
    waiting: int
    dead: int
    #: What the scripts have counted since the queue exists: enqueued, started, succeeded, retrying, dead, …
    counters: dict[str, int]


async def count(transport: Transport, queue: QueueKeys) -> QueueCounts:
    """The numbers of one queue.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    call = transport.call
    now_ms = await server_ms(transport)
    running, dead, stats, parked, *ranked = await asyncio.gather(
        call("ZCOUNT", queue.running, f"({now_ms}", "+inf"),
        call("ZCARD", queue.dead),
        call("HGETALL", queue.stats),
        _count_parked(transport, queue),
        *(call("ZCOUNT", rank, "-inf", now_ms) for rank in queue.ranks),
        *(call("ZCARD", rank) for rank in queue.ranks),
    )
    ready, total = sum(ranked[: len(queue.ranks)]), sum(ranked[len(queue.ranks) :])
    return QueueCounts(
        queue=queue.name,
        ready=ready + parked,
        running=running,
        # a running job keeps its place, under the end of its lease
        waiting=max(0, total - ready - running),
        dead=dead,
        counters={name.decode(): int(number) for name, number in zip(stats[::2], stats[1::2], strict=True)},
    )


async def _count_parked(transport: Transport, queue: QueueKeys) -> int:
    try:
        kinds = [kind.decode("utf-8", "replace") for kind in await transport.call("HKEYS", queue.pause)]
    except StoreRefused:  # no hash: no claim takes it for a pause
        return 0
    return sum(await asyncio.gather(*(transport.call("ZCARD", queue.parked(kind)) for kind in kinds)))


def entry_of(queue: QueueKeys) -> str:
    """How a queue stands in the list of those that exist."""
    tagged = bool(queue.id_prefix)
    is_canonical = queue.ranks == queue_keys(queue.name, tagged=tagged).ranks
    return queue.name if is_canonical else _FREELY_NAMED + queue.ranks[2]


def keys_of(entry: str, tagged: bool) -> QueueKeys | None:
    """The queue of an entry of that list; None if it names none."""
    try:
        if entry.startswith(_FREELY_NAMED):
            return arq_queue_keys(entry.removeprefix(_FREELY_NAMED))
        return queue_keys(entry, tagged=tagged)
    except DefinitionError:  # somebody else's entry; it must not hide the others
        return None
