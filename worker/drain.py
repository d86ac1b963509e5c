"""The end of a worker: what runs may finish, what does not is handed back, and all of it is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from monarq.jobs.failure import Cause

from .completer import Completer
from .grace import Grace
from .run import Run

log = structlog.get_logger("monarq.worker")

#: Seconds that cancelled handlers get to clean up, and that the last outcomes get to be recorded.
LAST_GRACE = 5.0


class Drain:
    """Empties a worker that claims no more.

    Args:
        hurry: Set when what still runs is to be handed back at once.
    """

    def __init__(
        self, runs: Callable[[], list[Run]], completer: Completer, grace: Grace, hurry: asyncio.Event
    ) -> None:
        self._runs = runs
        self._completer = completer
        self._grace = grace
        self._hurry = hurry

    async def finish(self, seconds: float) -> bool:
        """Wait for what runs, at most `seconds`, and for its records; False if some had to be handed back."""
        in_time = await self._wait(seconds)
        if not in_time:
            await self._hand_back()
        recorded = await self._completer.drain(LAST_GRACE)
        await self._completer.close()
        return in_time and recorded

    async def _wait(self, seconds: float) -> bool:
        tasks = self._tasks()
        if not tasks:
            return True
        hurry = asyncio.create_task(self._hurry.wait())
        all_done = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait({hurry, all_done}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        all_done.cancel()
        return not self._tasks()

    async def _hand_back(self) -> None:
        running = [run for run in self._runs() if run.task is not None and not run.task.done()]
        log.warning("worker.drain_timed_out", handed_back=len(running))
        for run in running:
            run.stop(Cause.INTERRUPTION)
        await asyncio.wait(self._tasks(), timeout=LAST_GRACE)
        for run in running:
            self._grace.give_up(run)  # the process is about to end: the job need not wait for its lease

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [run.task for run in self._runs() if run.task is not None and not run.task.done()]
