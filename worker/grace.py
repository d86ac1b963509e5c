"""Gives up waiting for handlers that were told to stop and do not: their jobs must not wait for them."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog

from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Outcome

from .completer import Completer
from .journal import facts_of
from .run import Run
from .settlement import end_of, handed_back

log = structlog.get_logger("monarq.worker")

#: Looks per grace: what is given up is at most a tenth of it late.
_LOOKS = 10
_LONGEST_PAUSE = 0.5


class Grace:
    """Ends attempts without their handlers.

    Args:
        runs: The attempts under way.
        abandon: The outcome of an attempt whose handler does not stop; None if it has not begun.
        seconds: How long a handler may take.
    """

    def __init__(
        self,
        runs: Callable[[], list[Run]],
        abandon: Callable[[Run], Outcome | None],
        completer: Completer,
        seconds: timedelta,
    ) -> None:
        self._runs = runs
        self._abandon = abandon
        self._completer = completer
        self._seconds = seconds.total_seconds()
        #: Handlers that go on.  Each keeps its slot; the loop itself keeps only a weak reference to it.
        self._stuck: dict[asyncio.Task[None], Run] = {}

    def stuck(self) -> list[Run]:
        """The attempts that have ended without their handlers, which go on."""
        return list(self._stuck.values())

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(min(self._seconds / _LOOKS, _LONGEST_PAUSE))
            latest = time.monotonic() - self._seconds
            for run in self._runs():
                if _is_worth_ending(run) and run.stopped_at <= latest:
                    self.give_up(run)

    def give_up(self, run: Run) -> None:
        """Record how the attempt ended; its handler goes on, if it must."""
        task = run.task
        if run.is_abandoned or task is None or task.done():
            return
        run.is_abandoned = True
        self._stuck[task] = run
        task.add_done_callback(self._stuck.pop)
        log.warning(
            "job.abandoned",
            **facts_of(run),
            cause=run.stopped_for,
            grace_s=round(time.monotonic() - run.stopped_at, 3),
            stack=_stack(task),
        )
        outcome = self._abandon(run)
        end = handed_back(run) if outcome is None else end_of(run, outcome)
        if run.span is not None:
            run.span.end(end)
        self._completer.add(run, end)


def _is_worth_ending(run: Run) -> bool:
    """A lost lease is not: somebody else records how that job ends."""
    return run.stopped_for not in (None, Cause.CRASH)


def _stack(task: asyncio.Task[None]) -> str:
    """Where the handler waits: each coroutine that is awaited, the innermost last."""
    frames: list[traceback.FrameSummary] = []
    step: Any = task.get_coro()
    while (frame := getattr(step, "cr_frame", None)) is not None:
        frames += traceback.extract_stack(frame, limit=1)
        step = step.cr_await
    return "".join(traceback.format_list(frames))
