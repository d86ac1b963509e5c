"""The part of an adapter that is the same for every system: its command line and its loops.

    adapter.py enqueue --url U --n N --mode one|gather|bulk|fill   prints one JSON line
    adapter.py latency --url U --n N --rate R --marks FILE         prints one JSON line
    adapter.py worker  --url U --concurrency C --marks FILE        runs until SIGTERM

Standard library only (uvloop where the peer's environment has it).
"""

import argparse
import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from typing import Any, Protocol

from marks import Marks

GATHER = 100
BULK = 1_000
WARM_UP = 200
IDLE_GAP_SECONDS = (0.02, 0.06)
PAYLOAD_CHARACTERS = 88  # {"data": "..."} is then 100 bytes of JSON


class Unsupported(Exception):
    """The system has no such call."""


class AsyncPeer(Protocol):
    """A system with an asyncio producer.  `bulk` may raise Unsupported."""

    async def open(self, url: str) -> None: ...
    async def enqueue(self, job: str, data: str) -> object: ...
    async def bulk(self, job: str, batch: list[str]) -> object: ...
    async def close(self) -> None: ...
    def work(self, url: str, options: argparse.Namespace, marks: Marks) -> None: ...


class SyncPeer(Protocol):
    """A system whose producer blocks."""

    def open(self, url: str) -> None: ...
    def enqueue(self, job: str, data: str) -> object: ...
    def bulk(self, job: str, batch: list[str]) -> object: ...
    def work(self, url: str, options: argparse.Namespace, marks: Marks) -> None: ...


def payload(index: int) -> str:
    """The argument of job `index`; its first eight digits say which job it is."""
    return f"{index:08d}".ljust(PAYLOAD_CHARACTERS, "x")


def uvloop_or_asyncio() -> Callable[[Any], Any]:
    """The fastest way this environment has to run a coroutine."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[[Any], Any] = uvloop.run
    return run


def chunks(first: int, n: int, size: int) -> list[list[str]]:
    """The payloads of `n` jobs in lists of `size`."""
    return [
        [payload(k) for k in range(at, min(at + size, first + n))] for at in range(first, first + n, size)
    ]


async def _one(peer: AsyncPeer, job: str, batches: list[list[str]]) -> None:
    for batch in batches:
        for data in batch:
            await peer.enqueue(job, data)


async def _gather(peer: AsyncPeer, job: str, batches: list[list[str]]) -> None:
    for batch in batches:
        await asyncio.gather(*[peer.enqueue(job, data) for data in batch])


async def _bulk(peer: AsyncPeer, job: str, batches: list[list[str]]) -> None:
    for batch in batches:
        await peer.bulk(job, batch)


async def _fill(peer: AsyncPeer, job: str, batches: list[list[str]]) -> None:
    try:
        await _bulk(peer, job, batches)
    except Unsupported:
        for batch in batches:
            await _gather(peer, job, [batch[at : at + GATHER] for at in range(0, len(batch), GATHER)])


ASYNC_MODES = {
    "one": (_one, GATHER),
    "gather": (_gather, GATHER),
    "bulk": (_bulk, BULK),
    "fill": (_fill, BULK),
}


async def _enqueue_async(peer: AsyncPeer, options: argparse.Namespace) -> dict[str, Any]:
    write, size = ASYNC_MODES[options.mode]
    await peer.open(options.url)
    if options.mode != "fill":  # a fill must leave exactly n jobs
        await write(peer, options.job, chunks(options.n, max(WARM_UP, size), size))
    batches = chunks(0, options.n, size)
    began, cpu = time.perf_counter(), time.process_time()
    await write(peer, options.job, batches)
    measured = {"n": options.n, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    await peer.close()
    return measured


def _enqueue_sync(peer: SyncPeer, options: argparse.Namespace) -> dict[str, Any]:
    if options.mode == "gather":
        raise Unsupported
    peer.open(options.url)
    write = peer.bulk if options.mode == "bulk" else lambda job, batch: [peer.enqueue(job, x) for x in batch]
    if options.mode != "fill":
        for batch in chunks(options.n, WARM_UP, BULK):
            write(options.job, batch)
    batches = chunks(0, options.n, BULK)
    began, cpu = time.perf_counter(), time.process_time()
    for batch in batches:
        write(options.job, batch)
    return {"n": options.n, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}


def moments(n: int, rate: float) -> list[float]:
    """Seconds from the start at which each job is due: evenly at `rate`; for 0 at random, idle gaps."""
    if rate:
        return [k / rate for k in range(n)]
    dice, at, due = random.Random(7), 0.0, []
    for _ in range(n):
        at += dice.uniform(*IDLE_GAP_SECONDS)
        due.append(at)
    return due


async def _latency_async(peer: AsyncPeer, options: argparse.Namespace) -> dict[str, Any]:
    marks = Marks(options.marks)
    await peer.open(options.url)

    async def ask(index: int) -> None:
        marks.enqueued(index)
        await peer.enqueue("stamp", payload(index))

    await ask(0)  # opens the connection and wakes the worker; the harness leaves job 0 out
    await asyncio.sleep(0.5)
    began, late, asked = time.perf_counter(), 0.0, []
    for index, due in enumerate(moments(options.n, options.rate), 1):
        await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
        late = max(late, time.perf_counter() - began - due)
        asked.append(asyncio.ensure_future(ask(index)))
    await asyncio.gather(*asked)
    await peer.close()
    return {"n": options.n, "latest_ms": late * 1e3}


def _latency_sync(peer: SyncPeer, options: argparse.Namespace) -> dict[str, Any]:
    marks, late = Marks(options.marks), 0.0
    peer.open(options.url)
    marks.enqueued(0)
    peer.enqueue("stamp", payload(0))
    time.sleep(0.5)
    began = time.perf_counter()
    for index, due in enumerate(moments(options.n, options.rate), 1):
        time.sleep(max(0.0, began + due - time.perf_counter()))
        late = max(late, time.perf_counter() - began - due)
        marks.enqueued(index)
        peer.enqueue("stamp", payload(index))
    return {"n": options.n, "latest_ms": late * 1e3}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["enqueue", "latency", "worker"])
    parser.add_argument("--url", required=True)
    parser.add_argument("--n", type=int, default=1_000)
    parser.add_argument("--mode", choices=["one", "gather", "bulk", "fill"], default="one")
    parser.add_argument("--job", choices=["noop", "nap", "stamp"], default="noop")
    parser.add_argument(
        "--rate", type=float, default=0.0, help="jobs per second; 0: one by one, idle between"
    )
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--marks")
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="worker processes side by side")
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def main(peer: AsyncPeer | SyncPeer, threads: bool = False) -> None:
    """Run the adapter's command line for `peer`."""
    logging.disable(logging.INFO)  # a production log level; some peers log two lines per job at INFO
    options = arguments()
    if options.role == "worker":
        peer.work(options.url, options, Marks(options.marks, options.slot, threads))
        return
    run = uvloop_or_asyncio()
    is_async = asyncio.iscoroutinefunction(peer.enqueue)
    try:
        if options.role == "latency":
            measured = run(_latency_async(peer, options)) if is_async else _latency_sync(peer, options)  # type: ignore[arg-type]
        else:
            measured = run(_enqueue_async(peer, options)) if is_async else _enqueue_sync(peer, options)  # type: ignore[arg-type]
    except Unsupported:
        measured = {"unsupported": True}
    print(json.dumps(measured), flush=True)
