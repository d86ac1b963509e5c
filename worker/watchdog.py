"""Notices when something blocks the event loop, and says what: from a thread of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextvars import copy_context
from functools import partial

import structlog

from monarq.jobs.failure import MAX_TRACEBACK_CHARS, clean

from .journal import Journal, facts_of
from .run import Run

log = structlog.get_logger("monarq.worker")

#: Seconds for which the loop may be busy with one thing.
LIMIT = 1.0
#: Seconds between two questions to the loop.
_TICK = 0.25
#: A thread that slept so much longer than it meant to was not let run: by native code that a job calls, or
#: because the whole process was frozen, for which nobody here is to blame.
_OVERSLEPT = 1.0
_MEND = (
    'await instead, or make the handler a plain `def` (a thread), or run it in a process: run_in="process"'
)


class Watchdog:
    """Asks the loop every now and then whether it is there.

    Args:
        runs: The attempts under way; read from the thread.
        on_lag: Told, in the loop, how many seconds each answer took.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        runs: Callable[[], list[Run]],
        journal: Journal,
        on_lag: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._loop = loop
        self._on_lag = on_lag
        self._runs = runs
        self._journal = journal
        self._loop_thread = threading.get_ident()
        self._asked: float | None = None
        self._largest_lag = 0.0
        self._has_told = False
        self._stop = threading.Event()
        # in the worker's context, so that its lines name the worker
        watch = partial(copy_context().run, self._watch)
        self._thread = threading.Thread(target=watch, name="monarq-watchdog", daemon=True)

    def start(self) -> None:
        """Begin; called on the loop."""
        self._loop_thread = threading.get_ident()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def take_lag(self) -> float:
        """The longest that the loop kept a question waiting since the last call, in seconds."""
        largest, self._largest_lag = self._largest_lag, 0.0
        return max(largest, self.silence)

    @property
    def silence(self) -> float:
        """For how many seconds the loop has owed an answer."""
        asked = self._asked
        return 0.0 if asked is None else time.monotonic() - asked

    # --- the event loop

    def _answer(self) -> None:
        if self._asked is not None:
            seconds = time.monotonic() - self._asked
            self._largest_lag = max(self._largest_lag, seconds)
            self._on_lag(seconds)
            if self._has_told:
                log.warning("worker.loop_free", seconds=round(seconds, 1))
        self._asked = None

    # --- the thread

    def _watch(self) -> None:
        slept_from = time.monotonic()
        while not self._stop.wait(_TICK):
            now, asked = time.monotonic(), self._asked
            if asked is None:
                self._ask(now)
            elif now - asked > LIMIT and not self._has_told:
                self._tell(now - asked, overslept=now - slept_from > _TICK + _OVERSLEPT)
            slept_from = time.monotonic()

    def _ask(self, now: float) -> None:
        self._asked, self._has_told = now, False
        try:
            self._loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # the loop is closed: the worker is gone
            self._stop.set()

    def _tell(self, seconds: float, *, overslept: bool) -> None:
        """Once per block.  What blocks is what runs: the loop's current task."""
        frame = sys._current_frames().get(self._loop_thread)
        task = asyncio.current_task(self._loop)
        run = next((run for run in self._runs() if run.task is task), None) if task is not None else None
        if overslept and run is None:
            return
        self._has_told = True
        self._journal.loop_blocks += 1
        facts = {} if run is None else facts_of(run)
        facts |= {
            "seconds": round(seconds, 1),
            "stack": clean("".join(traceback.format_stack(frame)), MAX_TRACEBACK_CHARS),
            "mend": _MEND,
        }
        log.warning("worker.loop_blocked", **facts)
