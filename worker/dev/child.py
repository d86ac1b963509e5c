"""A process of ours: out of reach of the terminal's Ctrl-C, stopped in order, and gone when we are gone."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence

_PR_SET_PDEATHSIG = 1
#: What is kept of a line that does not end.
_LONGEST_LINE = 65_536


class Child:
    """Runs one command, as often as it is started.

    Args:
        command: The program and its arguments.
        environ: Added to our own environment; what is None is taken out of it.
        on_line: Takes each line of its output; without it, its output is ours.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str | None] | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        self._command = command
        changed = {**os.environ, **(environ or {})}
        self._environ = {name: value for name, value in changed.items() if value is not None}
        self._on_line = on_line
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process that runs, or ran last."""
        return self._process.pid if self._process is not None else None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the command."""
        pipe = PIPE if self._on_line is not None else None
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environ,
            stdin=DEVNULL,
            stdout=pipe,
            stderr=None if pipe is None else STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )

    async def run(self) -> int:
        """Start the command and wait for its end; its exit code, negative for a signal."""
        await self.start()
        return await self.wait()

    async def wait(self) -> int:
        """Pass the output on until the process ends; its exit code."""
        if self._process is None:
            return 0
        if self._process.stdout is not None and self._on_line is not None:
            await _relay(self._process.stdout, self._on_line)
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.is_running and self._process is not None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:  # it has just ended
                return


async def _relay(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    rest = b""
    while chunk := await stream.read(_LONGEST_LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            on_line(line.decode(errors="replace"))
        if len(rest) > _LONGEST_LINE:
            on_line(rest.decode(errors="replace"))
            rest = b""
    if rest:
        on_line(rest.decode(errors="replace"))


def _die_with_parent() -> None:
    # after a `kill -9` of us nobody else would stop it
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
