"""arq, with `max_jobs=100` and a poll of 10 ms (variant `default`: its own poll of 0.5 s)."""

import argparse
import asyncio
import sys
from pathlib import Path
from time import time
from typing import Any
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
import uvloop
from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import default_queue_name, job_key_prefix
from arq.jobs import serialize_job
from arq.worker import Worker
from marks import Marks

TUNED_POLL_SECONDS = 0.01
DEFAULT_POLL_SECONDS = 0.5
BODY_TTL_MS = 86_400_000
marks: Marks


async def noop(ctx: dict[str, Any], data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


async def nap(ctx: dict[str, Any], data: str) -> int:
    marks.start()
    await asyncio.sleep(0.05)
    marks.end()
    return len(data)


async def stamp(ctx: dict[str, Any], data: str) -> int:
    marks.started(data)
    return len(data)


class Arq:
    redis: ArqRedis

    async def open(self, url: str) -> None:
        self.redis = await create_pool(RedisSettings.from_dsn(url))

    async def enqueue(self, job: str, data: str) -> object:
        return await self.redis.enqueue_job(job, data=data)

    async def bulk(self, job: str, batch: list[str]) -> None:
        if self.filling:
            return await self.write_as_enqueue_job_would(job, batch)
        raise driver.Unsupported

    filling = "fill" in sys.argv

    async def write_as_enqueue_job_would(self, job: str, batch: list[str]) -> None:
        """Fill a queue fast: the keys that `enqueue_job` leaves, without its WATCH and three trips a job."""
        async with self.redis.pipeline(transaction=False) as pipe:
            now = int(time() * 1000)
            for data in batch:
                job_id = uuid4().hex
                body = serialize_job(job, (), {"data": data}, None, now)
                pipe.psetex(job_key_prefix + job_id, BODY_TTL_MS, body)
                pipe.zadd(default_queue_name, {job_id: now})
            await pipe.execute()

    async def close(self) -> None:
        await self.redis.aclose()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        uvloop.install()
        worker = Worker(
            functions=[noop, nap, stamp],
            redis_settings=RedisSettings.from_dsn(url),
            max_jobs=options.concurrency,
            poll_delay=DEFAULT_POLL_SECONDS if options.variant == "default" else TUNED_POLL_SECONDS,
            keep_result=3600,
        )
        marks.ready()
        worker.run()


driver.main(Arq())
