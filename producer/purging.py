"""Cancelling all jobs of a queue that wait, in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import JOB, QueueKeys
from monarq.jobs.store.measure import measure
from monarq.jobs.store.verbs import Cancellation

from .cancelling import cancel_request

#: Jobs whose cancellations are sent together.
BATCH = 100


@dataclass(slots=True)
class Purged:
    """What became of the jobs so far."""

    cancelled: int = 0
    #: Durable jobs: a worker ends them.
    requested: int = 0
    #: Still wait; those that were enqueued meanwhile count, too.
    left: int = 0

    def as_document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


async def purge(
    transport: Transport, queue: QueueKeys, purged: Purged, *, by: str, why: str, seconds: float
) -> None:
    """Cancel what waits: it ends as cancelled, is told to those who wait for it, and stands in the history.

    It ends when as many jobs were cancelled as waited when it began, so that a producer which goes on cannot
    keep it busy for ever.

    Args:
        purged: Is brought up to date with each batch.
        seconds: After so long it stops where it is; call it again.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    numbers = await execute(transport, measure(queue))
    stop_at = time.monotonic() + seconds
    bound = numbers.ready + numbers.waiting
    parked = (queue.parked(pause.kind) for pause in numbers.pauses if pause.kind is not None)
    for place in (*queue.ranks, *parked):
        at = 0
        while purged.cancelled + purged.requested < bound and time.monotonic() < stop_at:
            ids = await transport.call("ZRANGE", place, at, at + BATCH - 1)
            if not ids:
                break
            at += len(ids) - await _cancel(transport, queue, ids, purged, by=by, why=why)
    numbers = await execute(transport, measure(queue))
    purged.left = numbers.ready + numbers.waiting


async def _cancel(
    transport: Transport, queue: QueueKeys, ids: Sequence[bytes], purged: Purged, *, by: str, why: str
) -> int:
    """Cancel those of the jobs that wait; how many of them are gone from their place."""
    leases = await transport.call("ZMSCORE", queue.running, *ids)
    waiting = [job_id for job_id, lease in zip(ids, leases, strict=True) if lease is None]
    named = [name for job_id in waiting if (name := _text(job_id)) is not None]
    if not named:
        return 0
    bodies = await transport.call("MGET", *(JOB + name for name in named))
    requests = (
        cancel_request(queue, name, body, None, by, why) for name, body in zip(named, bodies, strict=True)
    )
    became = await asyncio.gather(*(execute(transport, request) for request in requests))
    cancelled = became.count(Cancellation.CANCELLED)
    purged.cancelled += cancelled
    purged.requested += became.count(Cancellation.REQUESTED)
    return len(became) - became.count(Cancellation.REQUESTED)


def _text(job_id: bytes) -> str | None:
    try:
        return job_id.decode()
    except UnicodeDecodeError:  # no producer of ours writes such; it stays where it is
        return None
