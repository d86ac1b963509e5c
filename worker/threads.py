"""Threads for plain functions: a pool of the worker's own.

Not `concurrent.futures`: the interpreter waits at its end for those threads, and a function that will not
return would keep a worker from stopping.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import Any

import structlog

from monarq.jobs.context import JobContext, StopSign

from .room import Room
from .run import STOP_GRACE

log = structlog.get_logger("monarq.worker")

_MEND = 'let it look at ctx.cancelled now and then, or run it in a process: run_in="process"'
#: What a function gave: its result, or what it raised.
_Ended = tuple[Any, BaseException | None]


@dataclass(slots=True)
class _Work:
    function: Callable[[], Any]
    context: Context
    done: asyncio.Future[_Ended]


class Threads:
    """So many functions at a time, each in a thread.  Starts none before it is needed."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = Room(limit)
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._started = 0
        self._unfinished = 0
        #: Functions that did not return when they were told to.  Each keeps its place until it does.
        self.runaways = 0

    async def seat(self) -> Seat | None:
        """A place for one job; None if there was none for a while, or will be none."""
        if self.runaways >= self._limit:
            return None
        return Seat(self) if await self._room.enter() else None

    def submit(self, function: Callable[[], Any]) -> asyncio.Future[_Ended]:
        """Run a function in a thread, in the caller's context; the caller has a seat."""
        done: asyncio.Future[_Ended] = asyncio.get_running_loop().create_future()
        self._unfinished += 1
        done.add_done_callback(self._finished)
        self._work.put(_Work(function, copy_context(), done))
        if self._unfinished > self._started:
            self._started += 1
            name = f"monarq-job-{self._started}"
            threading.Thread(target=_serve, args=[self._work], name=name, daemon=True).start()
        return done

    def leave(self) -> None:
        """Give a seat back."""
        self._room.leave()

    def close(self) -> None:
        """Let the threads end that have nothing to do."""
        for _ in range(self._started):
            self._work.put(None)

    def _finished(self, done: asyncio.Future[_Ended]) -> None:
        self._unfinished -= 1


class Seat:
    """One job's place among the threads."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._done: asyncio.Future[_Ended] | None = None

    def calling(self, call: Callable[[JobContext], Any]) -> Callable[[JobContext], Awaitable[Any]]:
        """The same call, in a thread."""
        return partial(self._call, call)

    def leave(self) -> None:
        """The job has ended; its place is free as soon as its function has returned."""
        if self._done is None or self._done.done():
            self._threads.leave()
            return
        self._threads.runaways += 1
        self._done.add_done_callback(self._came_back)

    # ---

    async def _call(self, call: Callable[[JobContext], Any], ctx: JobContext) -> Any:
        ctx.stop_sign = StopSign()
        done = self._done = self._threads.submit(partial(call, ctx))
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            await self._stop(ctx, done)
        value, error = done.result()
        if error is not None:
            raise error
        return value

    async def _stop(self, ctx: JobContext, done: asyncio.Future[_Ended]) -> None:
        """Put up the sign.  A function that has seen it has stopped; one that never looked has just ended."""
        sign = ctx.stop_sign
        sign.is_up = True
        await asyncio.wait({done}, timeout=STOP_GRACE)
        if not done.done():
            log.error("job.runaway", job_id=ctx.job_id, kind=ctx.kind, mend=_MEND)
            raise asyncio.CancelledError
        if sign.was_seen and done.result()[1] is None:
            raise asyncio.CancelledError

    def _came_back(self, done: asyncio.Future[_Ended]) -> None:
        self._threads.runaways -= 1
        self._threads.leave()


def _serve(queue: SimpleQueue[_Work | None]) -> None:
    while (work := queue.get()) is not None:
        ended = _run(work)
        try:
            work.done.get_loop().call_soon_threadsafe(work.done.set_result, ended)
        except RuntimeError:  # the loop is closed: the worker is gone
            return
        del work, ended  # an idle thread keeps nothing of the last job


def _run(work: _Work) -> _Ended:
    try:
        return work.context.run(work.function), None
    except BaseException as error:  # whatever a job raises is the job's end, not the thread's
        return None, error
