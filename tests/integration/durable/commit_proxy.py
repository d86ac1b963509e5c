"""A TCP proxy before PostgreSQL that loses a COMMIT or its answer, once, when it is told to."""

import asyncio
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK_BYTES = 65_536
#: As asyncpg sends it: a simple query.
_COMMIT = b"COMMIT;"


class CommitProxy:
    """Stands before the server at `url` while it is entered."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._loses_commit = self._loses_answer = False
        self._refuses = self._refuses_next = False

    @property
    def url(self) -> str:
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        return self._parts._replace(netloc=f"{self._parts.username}@127.0.0.1:{port}").geturl()

    def lose_commit(self) -> None:
        """Cut the connection that sends the next COMMIT, which does not arrive."""
        self._loses_commit = True

    def lose_answer(self, *, refuse: bool = False) -> None:
        """Cut the connection that sends the next COMMIT, after the server has carried it out.

        Args:
            refuse: Cut the others, too, and take none until `heal`.
        """
        self._loses_answer, self._refuses_next = True, refuse

    def heal(self) -> None:
        """Take connections again."""
        self._refuses = False

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if not self._refuses:
                await self._join(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        answers = asyncio.create_task(_pump(upstream[0], writer))
        try:
            while data := await reader.read(_CHUNK_BYTES):
                if _COMMIT in data and self._loses_commit:
                    self._loses_commit = False
                    return
                if _COMMIT in data and self._loses_answer:
                    self._loses_answer, self._refuses = False, self._refuses_next
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    upstream[1].write(data)
                    await upstream[0].read(_CHUNK_BYTES)  # it is done
                    self._cut_others()
                    return
                upstream[1].write(data)
                await upstream[1].drain()
        finally:
            answers.cancel()
            upstream[1].transport.abort()

    def _cut_others(self) -> None:
        for connection in self._connections if self._refuses else ():
            if connection is not asyncio.current_task():
                connection.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()
