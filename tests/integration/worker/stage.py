"""A worker on stage: started in this process, and what the store holds of its jobs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from monarq.jobs import envelope as envelopes
from monarq.jobs.envelope import Envelope
from monarq.jobs.failure import Failure, decode_failure
from monarq.jobs.settings import Settings
from monarq.jobs.store.keys import DEAD_LETTER, FAILURES, queue_keys
from monarq.worker import Worker

from .deadlines import eventually

_STOPS_WITHIN = 60.0
_HAS_PROC = Path("/proc/self/stat").exists()


def settings_for(url: str, **given: Any) -> Settings:
    """Settings for tests: a short drain, all else by default."""
    return Settings(**{"redis_url": url, "drain_timeout": timedelta(seconds=1), **given})


@asynccontextmanager
async def running(functions: Sequence[Any], settings: Settings, **options: Any) -> AsyncIterator[Worker]:
    """A worker that has started; stopped in order at the end."""
    worker = Worker(functions, settings=settings, handle_signals=False, **options)
    life = asyncio.create_task(worker.async_run())
    try:
        await eventually(lambda: life.done() or _has_started(worker))
        yield worker
    finally:
        if not life.done():
            worker.handle_sig(signal.SIGTERM)
        await asyncio.wait([life], timeout=_STOPS_WITHIN)
        await worker.close()
        if not life.cancelled() and life.done() and (error := life.exception()) is not None:
            raise error


def _has_started(worker: Worker) -> bool:
    """Whether it has looked at the server, and all of its services are at work."""
    return hasattr(worker, "watchdog") and worker.watchdog._thread.is_alive()


@dataclass(frozen=True)
class DeadLetter:
    """All that is kept of a job that has failed for good."""

    envelope: Envelope
    failures: list[Failure]

    @property
    def last(self) -> Failure:
        return self.failures[-1]


async def failures_of(client: Redis, job_id: str) -> list[Failure]:
    """What went wrong with a job so far, one per attempt."""
    return [decode_failure(record) for record in await client.lrange(FAILURES + job_id, 0, -1)]


async def dead_letter(
    client: Redis, job_id: str, *, queue: str = "default", within: float = 60.0
) -> DeadLetter:
    """The dead letter of this job, as soon as there is one."""
    keys = queue_keys(queue)
    await eventually(lambda: client.zscore(keys.dead, job_id), within=within)
    body = await client.get(DEAD_LETTER + job_id)
    return DeadLetter(envelopes.decode(body), await failures_of(client, job_id))


async def stats(client: Redis, queue: str = "default") -> dict[str, int]:
    """The counters of a queue."""
    return {
        name.decode(): int(count) for name, count in (await client.hgetall(queue_keys(queue).stats)).items()
    }


async def waiting(client: Redis, queue: str = "default") -> int:
    """Jobs of a queue that have not ended."""
    return sum([await client.zcard(zset) for zset in queue_keys(queue).ranks])


def is_alive(pid: int) -> bool:
    """Whether this process runs.  One that has ended, and that nobody has waited for, does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] if _HAS_PROC else ""
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
