"""The process of a worker: its event loop (uvloop where it exists), garbage collector and priority."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # pragma: no cover - Windows
    new_event_loop = asyncio.new_event_loop


def ensure_loop() -> None:
    """Give this thread a loop unless one runs: arq's worker takes the thread's loop when it is made."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.set_event_loop(new_event_loop())


def calm_collector() -> None:
    """For a process that only works: leave what was imported alone, and look at young objects less often.

    A batch of a hundred jobs makes some thousands of short-lived objects; at Python's default of 700 the
    collector runs five times per batch, for a tenth of the worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def step_back(nice: int) -> None:
    """Give way to other processes as far as nice(1) says; never forward, which the system would forbid.

    To be called before threads are started: on Linux it holds for the caller's and those that it starts.
    """
    if hasattr(os, "setpriority"):  # not on Windows
        os.setpriority(os.PRIO_PROCESS, 0, max(nice, os.getpriority(os.PRIO_PROCESS, 0)))
