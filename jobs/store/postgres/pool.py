"""A pool of connections to one PostgreSQL server, made when the first one is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from ...settings import Settings
from .unit_of_work import Connection

_NAME = "monarq"
#: A server that does not answer while the pool is closed is not waited for any longer.
_CLOSE_SECONDS = 5.0


class Pool:
    """Lends connections.  Needs no server until the first one is lent; outlives any that goes away."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._url = url
        self._settings = settings
        self._pool: asyncpg.Pool | None = None
        self._making = asyncio.Lock()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """A connection, taken back afterwards.

        Raises:
            TimeoutError: All are in use, or the server did not take a new one in time.
            OSError, asyncpg.PostgresError: The server is not there, or refuses.
        """
        pool = self._pool or await self._make()
        async with pool.acquire(
            timeout=self._settings.database_acquire_timeout.total_seconds()
        ) as connection:
            yield connection

    async def close(self) -> None:
        """Close every connection, once it is given back or after some seconds."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await pool.close()
        except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pool.terminate()

    async def _make(self) -> asyncpg.Pool:
        async with self._making:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=self._settings.database_pool_size,
                    **connection_options(self._settings),
                )
            return self._pool


def connection_options(settings: Settings) -> dict[str, Any]:
    """What asyncpg is told for every connection.

    Behind PgBouncer in transaction mode (`database_prepared_statements=False`) a statement is sent whole each
    time, and nothing is set on the session, since the next transaction may have another one.
    """
    statement_seconds = settings.database_statement_timeout.total_seconds()
    options: dict[str, Any] = {
        "timeout": settings.database_connect_timeout.total_seconds(),
        # the server's own limit comes first; this one is for a server that does not answer at all
        "command_timeout": statement_seconds + 5,
    }
    if not settings.database_prepared_statements:
        return options | {"statement_cache_size": 0}
    return options | {
        "server_settings": {
            "application_name": _NAME,
            "statement_timeout": str(round(statement_seconds * 1000)),
        }
    }
