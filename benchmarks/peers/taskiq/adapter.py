"""taskiq with RedisStreamBroker and RedisAsyncResultBackend; pools as large as the concurrency."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
import uvloop
from marks import Marks
from taskiq.acks import AcknowledgeType
from taskiq.api import run_receiver_task
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

RESULT_SECONDS = 3600
SPARE_CONNECTIONS = 20
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


def connect(url: str, concurrency: int) -> tuple[RedisStreamBroker, dict[str, Any]]:
    connections = concurrency + SPARE_CONNECTIONS
    results: RedisAsyncResultBackend[int] = RedisAsyncResultBackend(
        url, result_ex_time=RESULT_SECONDS, max_connection_pool_size=connections
    )
    # Read from the start: the harness fills the stream before it starts the worker.
    broker = RedisStreamBroker(url, consumer_id="0", max_connection_pool_size=connections)
    broker = broker.with_result_backend(results)
    return broker, {f.__name__: broker.task(task_name=f.__name__)(f) for f in (noop, nap, stamp)}


class Taskiq:
    async def open(self, url: str) -> None:
        self.broker, self.jobs = connect(url, 100)
        await self.broker.startup()

    async def enqueue(self, job: str, data: str) -> object:
        return await self.jobs[job].kiq(data=data)

    async def bulk(self, job: str, batch: list[str]) -> None:
        raise driver.Unsupported

    async def close(self) -> None:
        await self.broker.shutdown()

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        uvloop.run(self.serve(url, options.concurrency))

    async def serve(self, url: str, concurrency: int) -> None:
        broker, _ = connect(url, concurrency)
        broker.is_worker_process = True
        await broker.startup()
        marks.ready()
        receiver = asyncio.ensure_future(
            run_receiver_task(broker, max_async_tasks=concurrency, ack_time=AcknowledgeType.WHEN_SAVED)
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, receiver.cancel)
        await asyncio.wait([receiver])


driver.main(Taskiq())
