"""What a signal means to a worker.

SIGTERM, SIGINT    finish what runs, within the drain time, then hand the rest back; again: hand back now
SIGTSTP, SIGUSR1   claim no more, and stay up
SIGUSR2            log what runs
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from functools import partial

Handlers = dict[signal.Signals, Callable[[signal.Signals], None]]


def install(
    loop: asyncio.AbstractEventLoop,
    *,
    shut_down: Callable[[signal.Signals], None],
    quiet: Callable[[signal.Signals], None],
    dump: Callable[[signal.Signals], None],
) -> Callable[[], None]:
    """Listen to the signals; the returned function stops listening."""
    meanings: Handlers = {
        signal.SIGTERM: shut_down,
        signal.SIGINT: shut_down,
        signal.SIGTSTP: quiet,
        signal.SIGUSR1: quiet,
        signal.SIGUSR2: dump,
    }
    for number, meaning in meanings.items():
        loop.add_signal_handler(number, partial(meaning, number))

    def remove() -> None:
        for number in meanings:
            loop.remove_signal_handler(number)

    return remove
