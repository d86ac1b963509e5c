"""SAQ on Redis, with `max_concurrent_ops` raised to the concurrency."""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
import uvloop
from marks import Marks
from saq import Queue, Worker

RESULT_SECONDS = 3600
marks: Marks


async def noop(ctx: dict[str, Any], *, data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


async def nap(ctx: dict[str, Any], *, data: str) -> int:
    marks.start()
    await asyncio.sleep(0.05)
    marks.end()
    return len(data)


async def stamp(ctx: dict[str, Any], *, data: str) -> int:
    marks.started(data)
    return len(data)


class Saq:
    queue: Queue

    async def open(self, url: str) -> None:
        self.queue = Queue.from_url(url, max_concurrent_ops=100)
        await self.queue.connect()

    async def enqueue(self, job: str, data: str) -> object:
        return await self.queue.enqueue(job, data=data, ttl=RESULT_SECONDS)

    async def bulk(self, job: str, batch: list[str]) -> None:
        raise driver.Unsupported

    async def close(self) -> None:
        await self.queue.disconnect()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        marks.ready()
        uvloop.run(self.serve(url, options.concurrency))

    async def serve(self, url: str, concurrency: int) -> None:
        queue = Queue.from_url(url, max_concurrent_ops=concurrency)
        await queue.connect()
        await Worker(queue, [noop, nap, stamp], concurrency=concurrency).start()


driver.main(Saq())
