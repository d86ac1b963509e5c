"""One queue for arq's own worker and for Monarq's: the same functions, the same JSON."""

import asyncio
import os
from typing import Any

from arq.connections import RedisSettings
from arq.worker import func

from monarq.jobs.store.arq_json import deserialize, serialize

from .ledger import write


async def share(ctx: dict[Any, Any], number: int) -> list[int]:
    """Give the number back, and that of the process."""
    write("start", ctx["job_id"], ctx["job_try"])
    await asyncio.sleep(0.02)
    write("end", ctx["job_id"], ctx["job_try"])
    return [number, os.getpid()]


class WorkerSettings:
    """For both workers."""

    functions = [func(share, name="share")]
    redis_settings = RedisSettings.from_dsn(os.environ.get("MONARQ_REDIS_URL", "redis://localhost:6379"))
    job_serializer = serialize
    job_deserializer = deserialize
    max_jobs = 10
    poll_delay = 0.05
