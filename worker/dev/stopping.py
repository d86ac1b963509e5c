"""Being told to stop, and passing it on."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

#: Longer than the drain time: a worker then still hands back, and records, what did not end.
GRACE_SECONDS = 5.0
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def exit_code(code: int) -> int:
    """Our exit code for that of a child that we have told to end; negative ones are signals."""
    if code == -signal.SIGTERM:
        return 0  # it had not come as far as to listen
    return code if code >= 0 else 128 - code


def on_stop_signals(act: Callable[[], None]) -> Callable[[], None]:
    """Call `act` at SIGTERM, SIGINT and SIGHUP (a closed terminal), until the returned function is called."""
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, act)

    def remove() -> None:
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)

    return remove
