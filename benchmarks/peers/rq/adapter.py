"""RQ with SimpleWorker (no fork per job): one job at a time, which is all that RQ runs in one process."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "measured"))
import driver
from marks import Marks
from redis import Redis
from rq import Queue, SimpleWorker

RESULT_SECONDS = 3600
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


def name(job: str) -> str:
    """RQ finds a function by its import path; this file is imported as `adapter` in the worker."""
    return f"adapter.{job}"


class Rq:
    def open(self, url: str) -> None:
        self.queue = Queue(connection=Redis.from_url(url))

    def enqueue(self, job: str, data: str) -> object:
        return self.queue.enqueue(name(job), data=data, result_ttl=RESULT_SECONDS)

    def bulk(self, job: str, batch: list[str]) -> None:
        prepare = Queue.prepare_data
        self.queue.enqueue_many(
            [prepare(name(job), kwargs={"data": data}, result_ttl=RESULT_SECONDS) for data in batch]
        )

    def work(self, url: str, options: argparse.Namespace, view: Marks) -> None:
        global marks
        marks = view
        sys.modules["adapter"] = sys.modules["__main__"]
        connection = Redis.from_url(url)
        worker = SimpleWorker([Queue(connection=connection)], connection=connection)
        marks.ready()
        worker.work(logging_level="WARNING")


driver.main(Rq())
