"""dramatiq on Redis with stored results: 8 threads (its default), one thread a job for jobs that wait."""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import dramatiq
import driver
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from marks import Marks

RESULT_MS = 3_600_000
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


def connect(url: str, threads: int) -> tuple[RedisBroker, dict[str, Any]]:
    pool = redis.ConnectionPool.from_url(url, max_connections=threads + SPARE_CONNECTIONS)
    client = redis.Redis(connection_pool=pool)
    broker = RedisBroker(client=client)
    results = Results(backend=RedisBackend(client=client), store_results=True, result_ttl=RESULT_MS)
    broker.add_middleware(results)
    dramatiq.set_broker(broker)
    return broker, {f.__name__: dramatiq.actor(f) for f in (noop, nap, stamp)}


class Dramatiq:
    def open(self, url: str) -> None:
        _, self.jobs = connect(url, NOOP_THREADS)

    def enqueue(self, job: str, data: str) -> object:
        return self.jobs[job].send(data=data)

    def bulk(self, job: str, batch: list[str]) -> None:
        raise driver.Unsupported

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        threads = NOOP_THREADS if options.concurrency <= 100 else options.concurrency
        broker, _ = connect(url, threads)
        worker = dramatiq.Worker(broker, worker_threads=threads)
        marks.ready()
        worker.start()
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
        stopped.wait()
        worker.stop(timeout=5_000)


driver.main(Dramatiq(), threads=True)
