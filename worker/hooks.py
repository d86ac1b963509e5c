"""arq's `after_job_end`: called once an end is recorded, beside whatever else the loop does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from .run import Run

log = structlog.get_logger("monarq.worker")

Hook = Callable[[Any], Awaitable[Any]]


def start_after_job_end(hook: Hook, run: Run, tasks: dict[str, asyncio.Task[Any]]) -> None:
    """Call the hook.  Until it is done its task stands in `tasks`: the loop keeps only a weak reference."""
    task = tasks[run.job_id] = asyncio.get_running_loop().create_task(_call(hook, run))
    task.add_done_callback(lambda _: tasks.pop(run.job_id, None))


async def _call(hook: Hook, run: Run) -> None:
    try:
        await hook(run.ctx)
    except BaseException:  # a hook of the app must not hurt the worker, not even by SystemExit
        log.exception("worker.hook_failed", hook="after_job_end", job_id=run.job_id)
