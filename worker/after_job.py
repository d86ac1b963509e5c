"""The app's hook for jobs whose end is recorded, `after_job_end`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from monarq.jobs.log import current_job

from .completer import Batch
from .run import Run

Hook = Callable[[Any], Awaitable[Any]]

log = structlog.get_logger("monarq.worker")


class AfterJob:
    """Calls the hook beside the worker's own work.

    Args:
        hook: None if the app has none.
        tasks: Where what is under way can be found, by job id.
    """

    def __init__(self, hook: Hook | None, tasks: dict[str, asyncio.Task[Any]]) -> None:
        self._hook = hook
        self._tasks = tasks

    def begin(self, batch: Batch) -> None:
        """Call it, if there is one, for each job that had a context."""
        if self._hook is None:
            return
        for run, _ in batch:
            if run.ctx is not None:
                self._begin(self._hook, run)

    def _begin(self, hook: Hook, run: Run) -> None:
        task = asyncio.ensure_future(self._call(hook, run))
        self._tasks[run.job_id] = task  # the loop itself keeps only a weak reference
        task.add_done_callback(lambda _: self._tasks.pop(run.job_id, None))

    async def _call(self, hook: Hook, run: Run) -> None:
        current_job.set(run.ctx)  # this task was begun by whoever has recorded the end
        try:
            await hook(run.ctx)
        except BaseException:  # a hook of the app must not hurt the worker, not even by SystemExit
            log.exception("worker.hook_failed", hook="after_job_end", job_id=run.job_id)
