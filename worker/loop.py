"""The event loop of a worker process: uvloop where it exists."""

from __future__ import annotations

import asyncio

try:
    from uvloop import new_event_loop
except ImportError:  # pragma: no cover - Windows
    from asyncio import new_event_loop


def ensure_loop() -> None:
    """Give this thread a loop, unless it has a running one; arq's worker takes the thread's loop when it is made."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.set_event_loop(new_event_loop())
