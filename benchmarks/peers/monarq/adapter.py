"""Monarq as it comes; variant `sync` produces with SyncProducer.

Of `benchmarks/observed.py`: `metrics` serves them, `api` has imported OpenTelemetry, `traced` has set it
up, and throws away what it records.
"""

import argparse
import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
from marks import Marks

from monarq import Producer, Settings, SyncProducer, Worker, job

marks: Marks
VARIANT = driver.arguments().variant
if VARIANT in ("api", "traced"):
    from opentelemetry import trace
if VARIANT == "traced":
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@job(kind="noop")
async def noop(ctx: Any, data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


@job(kind="nap")
async def nap(ctx: Any, data: str) -> int:
    marks.start()
    await asyncio.sleep(0.05)
    marks.end()
    return len(data)


@job(kind="stamp")
async def stamp(ctx: Any, data: str) -> int:
    marks.started(data)
    return len(data)


JOBS = {"noop": noop, "nap": nap, "stamp": stamp}


class Monarq:
    async def open(self, url: str) -> None:
        self.producer = await Producer.connect(url).__aenter__()

    async def enqueue(self, job: str, data: str) -> object:
        return await self.producer.enqueue(JOBS[job].of(data=data))

    async def bulk(self, job: str, batch: list[str]) -> None:
        await self.producer.enqueue_many([JOBS[job].of(data=data) for data in batch])

    async def close(self) -> None:
        await self.producer.__aexit__(None, None, None)

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        from arq.connections import RedisSettings

        marks = view
        worker = Worker(
            functions=list(JOBS.values()),
            redis_settings=RedisSettings.from_dsn(url),
            max_jobs=options.concurrency,
            # two of them and Redis want three cores
            settings=Settings(
                nice=10 if options.workers > 1 else 0,
                metrics_port=free_port() if VARIANT == "metrics" else 0,
            ),
        )
        marks.ready()
        worker.run()


class MonarqSync:
    def open(self, url: str) -> None:
        self.producer = SyncProducer.connect(url)

    def enqueue(self, job: str, data: str) -> object:
        return self.producer.enqueue(JOBS[job].of(data=data))

    def bulk(self, job: str, batch: list[str]) -> None:
        self.producer.enqueue_many([JOBS[job].of(data=data) for data in batch])

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        raise driver.Unsupported


driver.main(MonarqSync() if VARIANT == "sync" else Monarq())
