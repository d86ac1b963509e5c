"""`monarq relay` as a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from monarq.worker.dev.child import Child


class RelayProcess:
    """One relay, stopped when the block is left.

    Args:
        environ: Its settings.
        log: Where it writes.
    """

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        command = ["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(log)]
        self._child = Child([*command, sys.executable, "-m", "monarq.jobs.cli", "relay"], environ=environ)

    async def start(self) -> None:
        """Start it, for the first time or once more."""
        await self._child.start()

    async def kill(self) -> None:
        """End it as the kernel would: it is asked nothing."""
        self._child.send(signal.SIGKILL)
        await self._child.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(5):
                await self._child.wait()
        except TimeoutError:
            await self.kill()
