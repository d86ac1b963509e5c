"""The demo as a command: where it is seen, and what stops it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from monarq.jobs.errors import MonarqError

from .screen import LiveScreen, PlainScreen, Screen
from .show import Show
from .stack import forget_settings

FOLDER = Path(".monarq") / "demo"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run the demo; on a terminal it stays up until Ctrl-C, unless MONARQ_DEMO_EXIT is set."""
    on_terminal = sys.stdout.isatty()
    stays = on_terminal and os.environ.get("MONARQ_DEMO_EXIT", "") in ("", "0")
    forget_settings()
    screen: Screen = LiveScreen(Console()) if on_terminal else PlainScreen()
    try:
        return asyncio.run(_run(Show(FOLDER, screen, stays=stays)))
    except MonarqError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


async def _run(show: Show) -> int:
    running = asyncio.create_task(show.run())
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        if len(received) == 1:
            print("\nstopping everything", flush=True)
            running.cancel()
        else:
            show.hurry()

    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    try:
        return await running
    except asyncio.CancelledError:
        return 128 + received[0] if show.exit_code is None and received else show.exit_code or 0
