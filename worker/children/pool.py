"""The children of one worker: who runs which job, and when a child has served long enough."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import structlog

from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Outcome, Released

from ..room import NO_ROOM_DELAY, Room
from ..run import STOP_GRACE, Run
from ..runnable import Runnable
from .death import ChildDied
from .frames import Facts
from .process import ChildProcess, NeverBegan
from .recipe import Recipe
from .sources import source_of

log = structlog.get_logger("monarq.worker")

#: Seconds for a child to run the app's `on_shutdown`.
_END_GRACE = 5.0
#: Children that may fail to start before the job goes back to the queue, and for how long.
_STARTS = 3
_NO_CHILD_DELAY = timedelta(seconds=5)
#: Seconds that a child which has survived a suspect is kept for the next one: after the loss of a worker
#: there are many, and to start a process takes longer than most jobs.
_SPARE_KEPT = 10.0
#: Causes for which a job gets that grace.  Past its timeout it had its time, and with its lease lost another
#: worker may be running it already.
_GENTLE = (Cause.CANCELLATION, Cause.INTERRUPTION)


class Children:
    """Runs jobs in processes of their own.  Starts none before it is needed.

    How many at a time (besides the one for a job that is to be alone), and when a child is replaced, is up to
    the settings of its recipe.
    """

    def __init__(self, recipe: Recipe) -> None:
        settings = recipe.settings
        self._recipe = recipe
        self._max_jobs = settings.child_max_jobs
        self._max_memory_bytes = settings.child_max_memory_bytes
        self._room = Room(settings.processes or os.cpu_count() or 1)
        self._room_alone = Room(1)
        self._sources: dict[str, Facts] = {}
        self._first_words: Facts | None = None
        self._idle: list[ChildProcess] = []
        self._spare: ChildProcess | None = None
        self._all: set[ChildProcess] = set()
        self._endings: set[asyncio.Task[None]] = set()

    def check(self, runnable: Runnable) -> Facts:
        """Where a child finds this kind.

        Raises:
            NotImportable: It could not import the handler, or a hook of the worker's.
        """
        if self._first_words is None:
            self._first_words = self._recipe.encode()
        if runnable.kind not in self._sources:
            self._sources[runnable.kind] = source_of(runnable)
        return self._sources[runnable.kind]

    async def attempt(self, run: Run, *, alone: bool) -> Outcome:
        """Run one attempt in a child: in one of the pool, or `alone` in one of its own, one such at a time.

        The job's timeout runs from when the job begins in the child.  If none is free for a while, the
        outcome is `Released`: another worker may have room.

        Raises:
            NotImportable: The child could not import the handler, or a hook of the worker's.
            ChildDied: The job, and it alone, killed the child.
            CancelledError: The run was told to stop, and the child is gone.  How it ended is yet to be told.
        """
        if run.runnable is None:
            raise ValueError(f"job {run.job_id}: its kind is not resolved")
        source = self.check(run.runnable)
        run.hold_clock()
        room = self._room_alone if alone else self._room
        if not await room.enter():
            return Released(NO_ROOM_DELAY, None)
        try:
            return await self._attempt(run, source, alone=alone)
        finally:
            run.stop_clock()
            room.leave()

    async def close(self) -> None:
        """End all of them: the idle ones in order, the others at once."""
        if self._spare is not None:
            self._idle.append(self._spare)
            self._spare = None
        for child in self._all.difference(self._idle):
            child.kill()
        while self._idle:
            self._retire(self._idle.pop())
        await asyncio.gather(*self._endings, return_exceptions=True)

    # ---

    async def _attempt(self, run: Run, source: Facts, *, alone: bool) -> Outcome:
        for _ in range(_STARTS):
            try:
                child = (self._take_spare() if alone else self._take_idle()) or await self._start()
            except OSError as error:  # no process, memory or file descriptor left: not the job's fault either
                log.error("worker.child_failed", job_id=run.job_id, error=str(error))
                break
            try:
                return await self._run_in(child, run, source)
            except NeverBegan as failed:
                log.error("worker.child_failed", job_id=run.job_id, exit_code=failed.args[0])
            finally:
                self._give_back(child, alone=alone)
        return Released(_NO_CHILD_DELAY, None)

    async def _run_in(self, child: ChildProcess, run: Run, source: Facts) -> Outcome:
        began: Callable[[], None] = partial(run.start_clock, asyncio.get_running_loop())
        answer = asyncio.ensure_future(child.run(run, source, began))
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            return await self._stop(child, run, answer)

    async def _stop(self, child: ChildProcess, run: Run, answer: asyncio.Future[Outcome]) -> Outcome:
        cause = run.stopped_for
        if cause in _GENTLE and not answer.done():
            child.stop(cause, run.cancel_note)
            await asyncio.wait({answer}, timeout=STOP_GRACE)
        if not answer.done():
            child.kill()
            await asyncio.wait({answer})
        try:
            return answer.result()
        except (ChildDied, NeverBegan):
            raise asyncio.CancelledError from None

    # --- who is there

    def _take_idle(self) -> ChildProcess | None:
        while self._idle:
            child = self._idle.pop()
            if child.is_alive:
                return child
            self._retire(child)
        return None

    def _take_spare(self) -> ChildProcess | None:
        child, self._spare = self._spare, None
        if child is not None and not child.is_alive:
            self._retire(child)
            return None
        return child

    def _drop_spare(self, child: ChildProcess) -> None:
        if self._spare is child:
            self._spare = None
            self._retire(child)

    async def _start(self) -> ChildProcess:
        assert self._first_words is not None
        starting = asyncio.ensure_future(ChildProcess.start(self._first_words))
        try:
            child = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(self._started_for_nobody)
            raise
        self._all.add(child)
        return child

    def _started_for_nobody(self, starting: asyncio.Future[ChildProcess]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._all.add(starting.result())
            self._retire(starting.result())

    def _give_back(self, child: ChildProcess, *, alone: bool) -> None:
        limit = self._max_memory_bytes
        has_served = child.jobs >= self._max_jobs or (limit is not None and child.resident_bytes > limit)
        if has_served or not child.is_alive:
            self._retire(child)
        elif alone:
            self._spare = child
            asyncio.get_running_loop().call_later(_SPARE_KEPT, self._drop_spare, child)
        else:
            self._idle.append(child)

    def _retire(self, child: ChildProcess) -> None:
        ending = asyncio.ensure_future(child.end(_END_GRACE))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        ending.add_done_callback(lambda _: self._all.discard(child))
