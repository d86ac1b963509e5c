"""A TCP proxy before Redis that fails as it is told: what a network, a balancer or a dying server does."""

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.servers import free_port

#: Takes a whole reply; gives what is to be sent of it, and whether the connection is cut then.
_Treatment = Callable[[bytes], tuple[bytes, bool]]
_CHUNK_BYTES = 65_536


class Proxy:
    """Stands before the server at `url` while it is entered.

    A fault strikes the n-th reply from now on, once, whatever the connection; replies before it pass.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._closed = asyncio.Event()
        self._port = free_port()
        self._faults: dict[int, _Treatment] = {}
        self._swallowing = False
        self._delay: Callable[[], float] = lambda: 0
        #: Connections so far, and replies that the server has given so far.
        self.accepted = 0
        self.replies = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/0"

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return len(self._connections)

    async def until_open(self, count: int) -> None:
        """Wait until no more than so many connections are open."""
        while self.open > count:
            self._closed.clear()
            await self._closed.wait()

    # --- faults

    def drop_reply(self, nth: int = 1) -> None:
        """Carry the command out, but cut the connection instead of the reply."""
        self._faults[self.replies + nth] = lambda reply: (b"", True)

    def cut_reply(self, nth: int = 1) -> None:
        """Cut the connection in the middle of the reply."""
        self._faults[self.replies + nth] = lambda reply: (reply[: max(1, len(reply) // 2)], True)

    def replace_reply(self, other: bytes, nth: int = 1) -> None:
        """Send these bytes instead of the reply."""
        self._faults[self.replies + nth] = lambda reply: (other, False)

    def delay_replies(self, seconds: Callable[[], float]) -> None:
        """Hold every reply back for as long as `seconds` says, the replies behind it too."""
        self._delay = seconds

    def swallow(self) -> None:
        """A black hole: connections stay open and can be opened, but nothing comes through."""
        self._swallowing = True

    async def refuse(self) -> None:
        """Nobody listens any more, and what is open is cut."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self.cut()

    async def cut(self) -> None:
        """Cut all connections."""
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def heal(self) -> None:
        """From now on all is well."""
        self._faults.clear()
        self._swallowing = False
        self._delay = lambda: 0
        if self._listener is None:
            self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    # ---

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._connections.discard(task)
            self._closed.set()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        try:
            await _first_of(self._commands(reader, server_writer), self._replies(server_reader, writer))
        finally:
            server_writer.transport.abort()

    async def _commands(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            if not self._swallowing:
                writer.write(data)
                await writer.drain()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        buffer = b""
        while data := await reader.read(_CHUNK_BYTES):
            buffer += data
            while (end := _reply_end(buffer, 0)) is not None:
                reply, buffer = buffer[:end], buffer[end:]
                if not await self._forward(reply, writer):
                    return

    async def _forward(self, reply: bytes, writer: asyncio.StreamWriter) -> bool:
        self.replies += 1
        if pause := self._delay():
            await asyncio.sleep(pause)
        treatment = self._faults.pop(self.replies, None)
        sent, is_cut = treatment(reply) if treatment else (reply, False)
        if not self._swallowing:
            writer.write(sent)
            await writer.drain()
        if is_cut:
            await _flush(writer)
        return not is_cut


async def _first_of(*pumps: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; end the others."""
    tasks = [asyncio.create_task(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _flush(writer: asyncio.StreamWriter) -> None:
    """Close in order, so that what was written before arrives."""
    writer.close()
    try:
        await writer.wait_closed()
    except OSError:
        pass


def _reply_end(data: bytes, start: int) -> int | None:
    """Where the RESP 2 reply that begins at `start` ends; None if it is not whole yet."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, end = data[start : start + 1], line_end + 2
    if kind == b"$":
        length = int(data[start + 1 : line_end])
        end += length + 2 if length >= 0 else 0
        return end if end <= len(data) else None
    if kind == b"*":
        for _ in range(int(data[start + 1 : line_end])):
            inner = _reply_end(data, end)
            if inner is None:
                return None
            end = inner
    return end
