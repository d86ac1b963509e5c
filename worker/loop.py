"""The event loop of a worker process: uvloop where it exists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop as _new_event_loop
except ImportError:  # pragma: no cover - Windows
    _new_event_loop = asyncio.new_event_loop


def ensure_loop() -> None:
    """Give this thread a loop unless one runs: arq's worker takes the thread's loop when it is made."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        asyncio.set_event_loop(_new_event_loop())
