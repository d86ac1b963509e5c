"""A proxy before PostgreSQL that cuts the connection instead of telling that a commit was done."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 65_536


class CommitEater:
    """Stands before the server at `url` while it is entered; eats the answers to the next `count` commits."""

    def __init__(self, url: str, count: int = 1) -> None:
        self._parts = urlsplit(url)
        self._left = count
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        host = f"{self._parts.username}@127.0.0.1:{self._port}"
        return urlunsplit(self._parts._replace(netloc=host))

    @property
    def left(self) -> int:
        """Answers still to be eaten."""
        return self._left

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream, to_server = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        back = asyncio.create_task(self._carry(upstream, writer))
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(_CHUNK_BYTES):
                if self._left and b"COMMIT;" in data:
                    self._left -= 1
                    back.cancel()
                    to_server.write(data)
                    await upstream.read(_CHUNK_BYTES)  # it is done by now
                    break
                to_server.write(data)
        back.cancel()
        for end in (to_server, writer):
            end.close()
        self._tasks.discard(task)

    @staticmethod
    async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(_CHUNK_BYTES):
                writer.write(data)
            writer.close()
