"""`monarq worker --watch`: a worker in a process of its own, started anew whenever code changes."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from watchfiles import PythonFilter, awatch

from .child import Child
from .stopping import GRACE_SECONDS, exit_code, on_stop_signals


async def run_reloading(command: Sequence[str], folder: Path, *, drain: timedelta) -> int:
    """Run the command until told to stop; restart it after each change of a Python file below `folder`.

    A change lets the worker finish what runs, as SIGTERM does.  If it ends by itself, the next change starts
    it again.

    Returns:
        Its last exit code.
    """
    reloader = _Reloader(Child(command), drain.total_seconds() + GRACE_SECONDS)
    remove = on_stop_signals(reloader.stop)
    try:
        return await reloader.run(folder)
    finally:
        remove()


class _Reloader:
    def __init__(self, child: Child, patience: float) -> None:
        self._child = child
        self._patience = patience
        self._stopping = asyncio.Event()
        #: The worker was told to end; told once more, it hands back what runs.
        self._told = False

    def stop(self) -> None:
        if self._stopping.is_set() or not self._told:
            self._child.send(signal.SIGTERM)
        self._told = True
        self._stopping.set()

    async def run(self, folder: Path) -> int:
        running = asyncio.create_task(self._run())
        async for _ in awatch(folder, watch_filter=PythonFilter(), stop_event=self._stopping):
            _say("code has changed, restarting the worker")
            await self._end(running)
            if self._stopping.is_set():
                break
            self._told = False
            running = asyncio.create_task(self._run())
        return exit_code(await self._end(running))

    async def _run(self) -> int:
        code = await self._child.run()
        if code and not self._told:
            _say(f"the worker ended with exit code {code}; it starts again when a file changes")
        return code

    async def _end(self, running: asyncio.Task[int]) -> int:
        if not self._told:
            self._told = True
            self._child.send(signal.SIGTERM)
        _, late = await asyncio.wait([running], timeout=self._patience)
        if late:
            self._child.send(signal.SIGKILL)
        return await running


def _say(text: str) -> None:
    print(f"monarq: {text}", file=sys.stderr, flush=True)
