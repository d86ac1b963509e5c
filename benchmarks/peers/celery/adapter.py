"""Celery on Redis, results in Redis, threads pool (the fastest of its pools for jobs this small)."""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
from celery import Celery
from marks import Marks

RESULT_SECONDS = 3600
NOOP_THREADS = 8
PREFETCH_PER_THREAD = 16
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


def connect(url: str) -> tuple[Celery, dict[str, Any]]:
    app = Celery("bench", broker=url, backend=url)
    app.conf.update(
        result_expires=RESULT_SECONDS,
        worker_prefetch_multiplier=PREFETCH_PER_THREAD,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        redis_max_connections=600,
        broker_pool_limit=20,
    )
    return app, {f.__name__: app.task(name=f.__name__)(f) for f in (noop, nap, stamp)}


class CeleryPeer:
    def open(self, url: str) -> None:
        _, self.jobs = connect(url)

    def enqueue(self, job: str, data: str) -> object:
        return self.jobs[job].delay(data=data)

    def bulk(self, job: str, batch: list[str]) -> None:
        raise driver.Unsupported

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        app, _ = connect(url)
        threads = NOOP_THREADS if options.concurrency <= 100 else options.concurrency
        marks.ready()
        app.worker_main(
            [
                *("worker", "--pool=threads", f"--concurrency={threads}", "--loglevel=WARNING"),
                *("--without-gossip", "--without-mingle", "--without-heartbeat", f"-nw{options.slot}@bench"),
            ]
        )


driver.main(CeleryPeer(), threads=True)
