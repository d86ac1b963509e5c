"""Heartbeat jobs: one small job per queue and minute, which goes the way of all others.

When it has run, the time at which it was enqueued is written down.  How long ago that is tells whether the
whole way works: enqueue, queue, claim, handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from ..envelope import encode_head
from ..priority import Priority
from .clock import moment_of
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


class Heartbeats:
    """Enqueues them.  They have the same id each time, so that there never are two in a queue."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        #: What this process has sent; what is known of others is as old as the look at them.
        self._sent: dict[str, datetime] = {}

    async def send(self, fleet: Fleet, ran: Mapping[str, int]) -> None:
        """Enqueue one for each queue in which one is due.

        Args:
            ran: What `read_heartbeats` has told.

        Raises:
            StoreError: Redis did not answer, or did not take one of them.
        """
        before = fleet.taken_at - EVERY
        due = [
            fleet.keys[name]
            for name in beating(fleet)
            if moment_of(ran.get(name, 0)) <= before and self._sent.get(name, before) <= before
        ]
        self._sent |= dict.fromkeys([queue.name for queue in due], fleet.taken_at)
        await asyncio.gather(*(execute(self._transport, enqueue(queue, [_entry(queue)])) for queue in due))


async def read_heartbeats(transport: Transport) -> dict[str, int]:
    """By queue, when the last one that has run was enqueued; ms of the server's clock."""
    return await read_times(transport, HEARTBEATS)


def _entry(queue: QueueKeys) -> Entry:
    # a tagged id names its queue already
    job_id = f"{queue.id_prefix}{KIND}" if queue.id_prefix else f"{KIND}:{queue.name}"
    return Entry(job_id, Priority.NORMAL, timedelta(0), encode_head(KIND, b"{}", queue=queue.name))
