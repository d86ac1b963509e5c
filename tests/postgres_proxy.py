"""A TCP proxy before PostgreSQL that cuts connections at a chosen message, as a network would."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.servers import free_port

_CHUNK_BYTES = 65_536


class PostgresProxy:
    """Stands before the server at `url` while it is entered.  A fault strikes once."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 5432)
        self._database = parts.path
        self._user = parts.username
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._port = free_port()
        self._word: bytes | None = None
        self._of = b""
        self._carried_out = False
        self._ends_all = False
        #: How often a fault has struck.
        self.struck = 0

    @property
    def url(self) -> str:
        return f"postgresql://{self._user}@127.0.0.1:{self._port}{self._database}"

    def cut_before(self, word: str, *, of: str = "") -> None:
        """Cut the connection instead of sending a message with this word in it.

        Args:
            of: Of a connection that has sent these words before: others have their messages carried.
        """
        self._word, self._of, self._carried_out, self._ends_all = word.encode(), of.encode(), False, False

    def cut_after(self, word: str, *, of: str = "", and_refuse: bool = False) -> None:
        """Let the server carry out a message with this word in it, but let nobody hear of it.

        Args:
            of: As for `cut_before`.
            and_refuse: From then on refuse all, until `heal`.
        """
        self._word, self._of, self._carried_out, self._ends_all = word.encode(), of.encode(), True, and_refuse

    async def refuse(self) -> None:
        """Nobody listens any more, and what is open is cut."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def heal(self) -> None:
        """From now on all is well."""
        self._word = None
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
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._join(reader, writer)
            if self._ends_all and self.struck:
                self._connections.discard(task)
                await self.refuse()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*self._upstream)
        silent = asyncio.Event()  # the server may speak, but nobody hears it
        pumps = [
            asyncio.create_task(self._asked(reader, server_writer, silent)),
            asyncio.create_task(_answered(server_reader, writer, silent)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.transport.abort()

    async def _asked(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
    ) -> None:
        sent = b""
        while data := await reader.read(_CHUNK_BYTES):
            sent += data
            if self._word is not None and self._word in data and self._of in sent:
                self._word = None
                self.struck += 1
                if not self._carried_out:
                    return
                silent.set()
            writer.write(data)
            await writer.drain()


async def _answered(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, silent: asyncio.Event
) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        if silent.is_set():
            return
        writer.write(data)
        await writer.drain()
