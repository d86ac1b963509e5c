"""docket, with its check interval lowered from 250 ms to 10 ms.

The scheduling interval, for delayed jobs, stays at its 250 ms: at 10 ms it drains no faster and an idle
worker sends some 260 commands a second instead of 34.
"""

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
import uvloop
from docket import Docket, Worker
from marks import Marks

CHECK_INTERVAL = timedelta(milliseconds=10)
CONNECTIONS = 1_000
KEEP = timedelta(hours=1)
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


JOBS = {"noop": noop, "nap": nap, "stamp": stamp}


def connect(url: str) -> Docket:
    # redis-py 8 caps a pool at 100 connections; docket stalls when its jobs run out of them.
    docket = Docket(name="bench", url=f"{url}?max_connections={CONNECTIONS}", execution_ttl=KEEP)
    for function in JOBS.values():
        docket.register(function)
    return docket


class Pydocket:
    async def open(self, url: str) -> None:
        self.stack = AsyncExitStack()
        self.docket = await self.stack.enter_async_context(connect(url))

    async def enqueue(self, job: str, data: str) -> object:
        return await self.docket.add(JOBS[job])(data=data)

    async def bulk(self, job: str, batch: list[str]) -> None:
        await self.docket.add_many([self.docket.call(JOBS[job])(data=data) for data in batch])

    async def close(self) -> None:
        await self.stack.aclose()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        uvloop.run(self.serve(url, options.concurrency))

    async def serve(self, url: str, concurrency: int) -> None:
        async with connect(url) as docket:
            worker = Worker(
                docket,
                concurrency=concurrency,
                minimum_check_interval=CHECK_INTERVAL,
            )
            async with worker:
                marks.ready()
                running = asyncio.ensure_future(worker.run_forever())
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
                await asyncio.wait([running])


driver.main(Pydocket())
