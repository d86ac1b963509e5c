"""The incident: a worker is killed in the middle of its jobs, as the kernel does when memory is short."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import FENCE, queue_keys
from monarq.jobs.store.workers import live_workers

from .plan import QUEUES

_LOOK_EVERY = 0.05
#: Of more slow jobs than twice as many, one of two workers runs so many at some time.
_SEVERAL = 2


@dataclass(frozen=True, slots=True)
class Crash:
    """One worker's end."""

    worker: str
    pid: int
    #: Unix milliseconds.
    at_ms: int
    #: The jobs that it held, by id.
    orphans: frozenset[str]


async def kill_a_worker(link: Link, slow: Sequence[str]) -> Crash:
    """Wait until a worker runs several of the slow jobs (by id), and kill it, by SIGKILL."""
    while True:
        busiest = Counter((await _holders(link, slow)).values()).most_common(1)
        pids = {worker.worker: worker.pid for worker in await live_workers(link)}
        for worker, held in busiest:
            if held >= _SEVERAL and worker in pids:
                os.kill(pids[worker], signal.SIGKILL)
                at_ms = time.time_ns() // 1_000_000
                return Crash(worker, pids[worker], at_ms, await _orphans(link, worker))
        await asyncio.sleep(_LOOK_EVERY)


async def _orphans(link: Link, worker: str) -> frozenset[str]:
    """What the dead worker holds until its leases run out."""
    pages = [await link.call("ZRANGE", queue_keys(queue).running, 0, -1) for queue in QUEUES.values()]
    held = await _holders(link, [job_id.decode() for page in pages for job_id in page])
    return frozenset(job_id for job_id, holder in held.items() if holder == worker)


async def _holders(link: Link, job_ids: Sequence[str]) -> dict[str, str]:
    """Of the jobs that run, by id: the worker that runs it."""
    if not job_ids:
        return {}
    fences = await link.call("MGET", *(FENCE + job_id for job_id in job_ids))
    return {
        job_id: fence.decode().rpartition(":")[0]
        for job_id, fence in zip(job_ids, fences, strict=True)
        if fence is not None
    }
