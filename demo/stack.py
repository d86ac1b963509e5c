"""The stack under show: `monarq dev` as a process of its own, with servers of its own."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from monarq.jobs.errors import MonarqError
from monarq.jobs.settings import PREFIX
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.workers import live_workers
from monarq.worker.dev.child import Child
from monarq.worker.dev.postgres import EmbeddedPostgres
from monarq.worker.dev.valkey import EmbeddedValkey, FolderInUse

WORKERS = 2
_START_SECONDS = 60.0
#: Longer than the drain time that the demo gives its workers.
_STOP_SECONDS = 15.0
_LOOK_EVERY = 0.05


class StackFailed(MonarqError):
    """`monarq dev` did not start, or has ended by itself."""

    code = "stack_failed"


class Stack:
    """Valkey, PostgreSQL and workers, out of reach of the terminal's Ctrl-C: they are stopped in order.

    Args:
        folder: Where the data and the log lie.
        environ: The workers' settings.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.log = folder / "stack.log"
        self.data = folder / "valkey"
        self._dashboard = self.data / "dashboard"
        # its log is a file rather than a pipe to us, which would break when we are killed
        command = ["/bin/sh", "-c", 'exec "$@" >"$0" 2>&1', str(self.log)]
        command += [sys.executable, "-m", "monarq.jobs.cli", "dev", "--postgres", "--dir", str(self.data)]
        self._child = Child([*command, "--workers", str(WORKERS)], environ=environ)
        self._ended: asyncio.Task[int] | None = None

    @property
    def url(self) -> str:
        """Where its Valkey answers; known once it has started."""
        return (self.data / "url").read_text(encoding="utf-8")

    @property
    def database_url(self) -> str:
        """Where its PostgreSQL answers; known once it has started."""
        return (self.data / "postgres" / "url").read_text(encoding="utf-8")

    @property
    def dashboard_url(self) -> str:
        """An address of its dashboard that logs in, once; known once it has started."""
        return self._dashboard.read_text(encoding="utf-8")

    def check(self) -> None:
        """Return if it still runs.

        Raises:
            StackFailed: It has ended by itself.
        """
        if self._ended is None or self._ended.done():
            raise StackFailed(f"monarq dev has ended; its log ({self.log}) ends with:\n{self._log_end()}")

    def hurry(self) -> None:
        """Make the workers hand back what runs, instead of finishing it."""
        self._child.send(signal.SIGTERM)

    async def stop(self) -> None:
        """End it in order: workers, then the servers.  Stopping twice does nothing."""
        if self._ended is None:
            return
        self._child.send(signal.SIGTERM)
        _, late = await asyncio.wait([self._ended], timeout=_STOP_SECONDS)
        if late:
            self._child.send(signal.SIGKILL)
        if await self._ended < 0:  # it was killed, and so could not stop its servers
            await asyncio.to_thread(_end_servers, self.data)

    async def __aenter__(self) -> Self:
        await self._child.start()
        self._ended = asyncio.create_task(self._child.wait())
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._wait_until_it_serves()
        except TimeoutError:
            await self.stop()
            raise StackFailed(
                f"not ready within {_START_SECONDS:g} s; {self.log} ends with:\n{self._log_end()}"
            ) from None
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # ---

    async def _wait_until_it_serves(self) -> None:
        while not (self.data / "url").exists():
            self.check()
            await asyncio.sleep(_LOOK_EVERY)
        link = Link(from_url(self.url))
        try:
            while len(await live_workers(link)) < WORKERS or not self._dashboard.exists():
                self.check()
                await asyncio.sleep(_LOOK_EVERY)
        finally:
            await link.close()

    def _log_end(self) -> str:
        return self.log.read_text(encoding="utf-8")[-2000:] if self.log.exists() else "(nothing)"


def empty(folder: Path) -> None:
    """Make the folder anew, without what an earlier run left there.

    Raises:
        StackFailed: Another demo runs in it.
    """
    if (folder / "valkey").exists():
        try:
            _end_servers(folder / "valkey")
        except FolderInUse:
            raise StackFailed(f"another demo runs in {folder}; stop that one first") from None
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def forget_settings() -> None:
    """Take every setting of Monarq's out of this process: the demo must touch no Redis but its own."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]


def _end_servers(data: Path) -> None:
    """End what a killed `monarq dev` has left in the folder, if it has.

    Raises:
        FolderInUse: It has not been left.
    """
    with EmbeddedValkey(data):  # which holds the folder's lock
        EmbeddedPostgres(data / "postgres").end_orphan()
