"""streaQ, its own default settings but for the concurrency, on uvloop."""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
from marks import Marks
from streaq import Worker

RESULT_SECONDS = 3600
marks: Marks


async def noop(data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


async def nap(data: str) -> int:
    marks.start()
    await asyncio.sleep(0.05)
    marks.end()
    return len(data)


async def stamp(data: str) -> int:
    marks.started(data)
    return len(data)


def connect(url: str, concurrency: int) -> tuple[Worker[Any], dict[str, Any]]:
    worker: Worker[Any] = Worker(redis_url=url, concurrency=concurrency, anyio_kwargs={"use_uvloop": True})
    handlers = (noop, nap, stamp)
    return worker, {f.__name__: worker.task(ttl=RESULT_SECONDS, silent=True)(f) for f in handlers}


class Streaq:
    async def open(self, url: str) -> None:
        self.worker, self.jobs = connect(url, 100)
        self.stack = AsyncExitStack()
        await self.stack.enter_async_context(self.worker)

    async def enqueue(self, job: str, data: str) -> object:
        return await self.jobs[job].enqueue(data=data)

    async def bulk(self, job: str, batch: list[str]) -> None:
        await self.worker.enqueue_many([self.jobs[job].enqueue(data=data) for data in batch])

    async def close(self) -> None:
        await self.stack.aclose()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        worker, _ = connect(url, options.concurrency)
        marks.ready()
        worker.run_sync()


driver.main(Streaq())
