"""Heartbeat jobs: one small job per queue and minute, which goes the way of all others.

When it has run, the time at which it was enqueued is written down.  How long ago that is tells whether the
whole way works: enqueue, queue, claim, handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from ..envelope import encode_head
from ..priority import Priority
from .execute import Transport, execute
from .fleet import Fleet
from .keys import HEARTBEATS, QueueKeys
from .last_times import read_times
from .verbs import Entry, enqueue

KIND = "monarq.heartbeat"
#: From when the last one that has run was enqueued to the next one.
EVERY = timedelta(minutes=1)


def beating(fleet: Fleet) -> list[str]:
    """The queues in which heartbeats can run now: that live workers serve, and that are not paused."""
    return [name for name, numbers in fleet.queues.items() if fleet.serving(name) and numbers.pause is None]


async def send(transport: Transport, fleet: Fleet, heartbeats: Mapping[str, int]) -> None:
    """Enqueue one for each queue in which one is due.

    It has the same id each time, so that there never are two in a queue.

    Raises:
        StoreError: Redis did not answer, or took one of them not.
    """
    due_ms = (fleet.taken_at - EVERY).timestamp() * 1000
    due = [fleet.keys[name] for name in beating(fleet) if heartbeats.get(name, 0) <= due_ms]
    await asyncio.gather(*(execute(transport, enqueue(queue, [_entry(queue)])) for queue in due))


async def read_heartbeats(transport: Transport) -> dict[str, int]:
    """By queue, when the last one that has run was enqueued; ms of the server's clock."""
    return await read_times(transport, HEARTBEATS)


def _entry(queue: QueueKeys) -> Entry:
    # a tagged id names its queue already
    job_id = f"{queue.id_prefix}{KIND}" if queue.id_prefix else f"{KIND}:{queue.name}"
    return Entry(job_id, Priority.NORMAL, timedelta(0), encode_head(KIND, b"{}", queue=queue.name))
