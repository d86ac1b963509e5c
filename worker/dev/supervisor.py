"""Keeps the processes of `monarq dev` running, and stops them in order: the workers, then the servers."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Protocol

from monarq.jobs.errors import MonarqError

from .child import Child
from .stopping import GRACE_SECONDS, on_stop_signals

Say = Callable[[str], None]

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0
#: Having run for this long, a process that ends is started again without delay.
_STABLE_SECONDS = 30.0
_LOOK_EVERY = 0.5
_MEANINGS = {2: "usage", 69: "a server does not answer", 75: "jobs were handed back", 78: "bad configuration"}


class Server(Protocol):
    """What the workers need, and what must outlive them."""

    @property
    def is_running(self) -> bool: ...

    def start(self) -> Any:
        """Start it, with its data, and wait until it serves; `MonarqError` if it does not."""

    def stop(self) -> None:
        """End it in order."""


class Supervisor:
    """Runs workers by name until it is told to stop.

    Args:
        servers: By name, in the order in which they were started; stopped in the other one.
        drain: How long a worker may take to finish its jobs; it is killed no sooner than 5 s after that.
        say: Takes what there is to be told.
    """

    def __init__(
        self, servers: dict[str, Server], workers: dict[str, Child], *, drain: timedelta, say: Say
    ) -> None:
        self._servers = servers
        self._workers = workers
        self._patience = drain.total_seconds() + GRACE_SECONDS
        self._say = say
        self._stopping = asyncio.Event()
        self._workers_ended = asyncio.Event()

    async def run(self) -> int:
        """Keep everything running; the exit code, once told to stop: 75 if jobs were handed back."""
        remove = on_stop_signals(self.stop)
        keepers = {
            asyncio.create_task(self._keep(name, child)): child for name, child in self._workers.items()
        }
        watches = [
            asyncio.create_task(self._keep_server(name, server)) for name, server in self._servers.items()
        ]
        try:
            await self._stopping.wait()
            codes = await self._end(keepers)
        finally:
            self._workers_ended.set()
            await asyncio.gather(*watches, return_exceptions=True)  # one may be starting its server
            for server in reversed(self._servers.values()):
                server.stop()
            remove()
        return 75 if any(code not in (0, -signal.SIGTERM) for code in codes) else 0

    def stop(self) -> None:
        """Tell the workers to finish; the second time, to hand back what runs."""
        again = self._stopping.is_set()
        self._stopping.set()
        self._say("handing back what runs" if again else "stopping: the workers finish what runs")
        for child in self._workers.values():
            child.send(signal.SIGTERM)

    async def _end(self, keepers: dict[asyncio.Task[int], Child]) -> Iterable[int]:
        _, late = await asyncio.wait(keepers, timeout=self._patience) if keepers else ((), ())
        for keeper in late:
            self._say(f"worker {keepers[keeper].pid} does not end, it is killed")
            keepers[keeper].send(signal.SIGKILL)
        return await asyncio.gather(*keepers)

    async def _keep(self, name: str, child: Child) -> int:
        wait = _FIRST_WAIT
        while True:
            began = time.monotonic()
            code = await child.run()
            if self._stopping.is_set():
                return code
            if time.monotonic() - began > _STABLE_SECONDS:
                wait = _FIRST_WAIT
            self._say(f"{name} ended with {_told(code)}; it starts again in {wait:g} s")
            if await self._stops_within(wait):
                return 0
            wait = min(_LONGEST_WAIT, wait * 2)

    async def _stops_within(self, seconds: float) -> bool:
        return await _is_set_within(self._stopping, seconds)

    async def _keep_server(self, name: str, server: Server) -> None:
        while not await _is_set_within(self._workers_ended, _LOOK_EVERY):
            if server.is_running:
                continue
            self._say(f"{name} has ended; it is started again, with its data")
            try:
                await asyncio.to_thread(server.start)
            except (MonarqError, OSError) as error:
                self._say(str(error))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


def _told(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}" + (f" ({_MEANINGS[code]})" if code in _MEANINGS else "")
