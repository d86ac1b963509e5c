"""huey on Redis: 8 threads for no-ops (more are slower on one GIL), one thread a job for jobs that wait."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
from huey import RedisHuey
from marks import Marks
from redis import ConnectionPool

NOOP_THREADS = 8
SPARE_CONNECTIONS = 20
marks: Marks


def noop(data: str) -> int:
    marks.start()
    marks.end()
    return len(data)


def nap(data: str) -> int:
    marks.start()
    time.sleep(0.05)
    marks.end()
    return len(data)


def stamp(data: str) -> int:
    marks.started(data)
    return len(data)


def connect(url: str, threads: int) -> tuple[RedisHuey, dict[str, Any]]:
    # redis-py 8 caps a pool at 100 connections; huey loses jobs when its threads run out of them.
    pool = ConnectionPool.from_url(url, max_connections=threads + SPARE_CONNECTIONS)
    huey = RedisHuey("bench", connection_pool=pool)
    return huey, {f.__name__: huey.task()(f) for f in (noop, nap, stamp)}


class Huey:
    def open(self, url: str) -> None:
        _, self.jobs = connect(url, NOOP_THREADS)

    def enqueue(self, job: str, data: str) -> object:
        return self.jobs[job](data=data)

    def bulk(self, job: str, batch: list[str]) -> None:
        raise driver.Unsupported

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        threads = NOOP_THREADS if options.concurrency <= 100 else options.concurrency
        huey, _ = connect(url, threads)
        consumer = huey.create_consumer(workers=threads, worker_type="thread", periodic=False)
        marks.ready()
        consumer.run()


driver.main(Huey(), threads=True)
