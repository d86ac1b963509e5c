"""One child, as its worker sees it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from dataclasses import asdict

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.failure import Cause
from monarq.jobs.outcome import Outcome

from ..run import Run
from .death import ChildDied, oom_kills
from .frames import Facts, pack, receive
from .wire import pack_claimed, read_outcome

_MODULE = "monarq.worker.children.child"
#: Seconds for a child that has closed its connection to be gone.
_GONE_WITHIN = 2.0


class NeverBegan(Exception):
    """The child was gone before the job began: no fault of the job's."""


class ChildProcess:
    """Runs one job at a time."""

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        #: Jobs that it has begun.
        self.jobs = 0
        #: The memory that it held after the last one.
        self.resident_bytes = 0

    @classmethod
    async def start(cls, recipe: Facts) -> ChildProcess:
        """Start one.  It may still be on its way up: what is sent meanwhile waits."""
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", _MODULE, str(theirs.fileno()), str(os.getpid())),
                stdin=DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(pack(recipe))
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None and not self._reader.at_eof()

    async def run(self, run: Run, source: Facts, began: Callable[[], None]) -> Outcome:
        """Run one job to its end; `began` is called when it begins.

        Raises:
            NeverBegan: The child died before that.
            ChildDied: It died of the job.
        """
        kills = oom_kills()
        has_begun = False
        claimed, body = pack_claimed(run.claimed)
        claimed["claimed_at_ms"] = run.server_now_ms()  # it may have waited for its turn here
        trace = None if run.span is None else run.span.carried
        order = {"do": "run", "claimed": claimed, "fence": run.fence, "source": source, "trace": trace}
        try:
            self._writer.write(pack(order, body))
            await receive(self._reader)
            has_begun = True
            self.jobs += 1
            began()
            told, result = await receive(self._reader)
        except (EOFError, OSError):
            exit_code = await self._gone()
            if not has_begun:
                raise NeverBegan(exit_code) from None
            raise ChildDied(exit_code, was_oom=oom_kills() > kills) from None
        self.resident_bytes = told["resident_bytes"]
        return read_outcome(told, result)

    def stop(self, cause: Cause, note: CancelNote | None) -> None:
        """Ask the job that it runs to stop: an async handler is cancelled."""
        told = asdict(note or CancelNote())
        self._writer.write(pack({"do": "stop", "cause": cause, "note": told}))

    def kill(self) -> None:
        """End it now."""
        try:
            self._process.kill()
        except ProcessLookupError:  # it has just ended
            return

    async def end(self, grace: float) -> None:
        """Let it end in order, within `grace` seconds."""
        if self.is_alive:
            self._writer.write(pack({"do": "end"}))
        try:
            await asyncio.wait_for(self._process.wait(), grace)
        except TimeoutError:
            self.kill()
            await self._process.wait()
        finally:
            self._writer.close()

    async def _gone(self) -> int:
        try:
            return await asyncio.wait_for(self._process.wait(), _GONE_WITHIN)
        except TimeoutError:
            self.kill()
            return await self._process.wait()
