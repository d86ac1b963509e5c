"""Stops a plain function that keeps a child's main thread busy: by an exception, raised from a signal."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from monarq.jobs.failure import Cause

from ..run import Run

T = TypeVar("T")

#: A signal of our own, since only one can break into a system call.  Without `ask` it means nothing.
_SIGNAL = signal.SIGUSR1


class Interrupt:
    """Made in the main thread; `forget` and `ask` are for the one that listens."""

    def __init__(self) -> None:
        self._run: Run | None = None
        self._asked: Cause | None = None
        self._in_call = False
        signal.signal(_SIGNAL, self._on_signal)

    def begin(self, run: Run) -> None:
        """From now on, this is the attempt to be stopped."""
        self._run = run

    def forget(self) -> None:
        """A new order has come: what was asked before was not about it."""
        self._asked = None

    def ask(self, cause: Cause) -> None:
        """Stop the function that the attempt runs, or is about to run."""
        self._asked = cause
        signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)

    def call(self, function: Callable[[], T]) -> T:
        """Run a function such that it can be stopped.

        Raises:
            CancelledError: It was; or whatever it made of that.
        """
        self._in_call = True
        try:
            self._raise_if_asked()
            return function()
        finally:
            self._in_call = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._in_call:
            self._raise_if_asked()

    def _raise_if_asked(self) -> None:
        if self._asked is not None and self._run is not None:
            self._run.stopped_for = self._run.stopped_for or self._asked
            raise asyncio.CancelledError
