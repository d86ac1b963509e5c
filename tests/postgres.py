"""A real PostgreSQL for the tests: killed, restarted and copied at will."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres.migrating import migrate
from monarq.worker.dev.postgres import EmbeddedPostgres
from tests.servers import free_port

#: What is killed here is processes, never the machine, so nothing is lost without fsync.
_FAST = {"fsync": "off", "full_page_writes": "off", "max_connections": "100", "max_wal_size": "1GB"}
_TEMPLATE = "migrated"
_DEBIAN = Path("/usr/lib/postgresql/15/bin")

#: The servers that tests marked `every_postgres` run on: the package's, and Debian's where it is installed.
SERVERS: dict[str, Path | None] = {"embedded": None}
if (_DEBIAN / "postgres").exists():
    SERVERS["debian-15"] = _DEBIAN


class PostgresServer:
    """One server on a free loopback port, kept over restarts; `stop` removes its data.

    `options` are further settings of the server, by their names; `name` is one of `SERVERS`.
    """

    def __init__(self, options: dict[str, str] | None = None, name: str = "embedded") -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="monarq-tests-"))
        options = _FAST | (options or {})
        folder = self.directory / "pg"
        self._server = EmbeddedPostgres(folder, self.port, options=options, binaries=SERVERS[name])

    @property
    def url(self) -> str:
        return self._server.url

    def url_of(self, database: str) -> str:
        """The address of one of its databases."""
        return self._server.url_of(database)

    def start(self) -> None:
        self._server.start()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._server.kill()

    def restart(self) -> None:
        """Crash and come back, on the same port, with what was committed."""
        self._server.kill()
        self._server.start()

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def new_database(self, *, migrated: bool = True) -> str:
        """The address of an empty database of its own, with our tables or without."""
        name = f"test_{token_hex(6)}"
        asyncio.run(self._create(name, migrated))
        return self._server.url_of(name)

    def drop_database(self, url: str) -> None:
        """Forget a database, whoever is connected to it: hundreds of them would fill the disk."""
        name = urlsplit(url).path.removeprefix("/")
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str, *arguments: Any) -> Any:
        """Run one statement as the superuser, outside of any transaction; the rows."""
        return run_sql(self.url, statement, *arguments)

    async def _create(self, name: str, migrated: bool) -> None:
        connection = await asyncpg.connect(self.url)
        try:
            if migrated and not await connection.fetchval(
                "SELECT 1 FROM pg_database WHERE datname = $1", _TEMPLATE
            ):
                await connection.execute(f"CREATE DATABASE {_TEMPLATE}")
                await migrate(Settings(database_url=self._server.url_of(_TEMPLATE)))
            template = f" TEMPLATE {_TEMPLATE}" if migrated else ""
            await connection.execute(f"CREATE DATABASE {name}{template}")
        finally:
            await connection.close()


def run_sql(url: str, statement: str, *arguments: Any) -> Any:
    """Run one statement over a connection of its own; the rows.  For tests that have no event loop."""

    async def run() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(run())


@contextmanager
def postgres_server(
    options: dict[str, str] | None = None, name: str = "embedded"
) -> Iterator[PostgresServer]:
    """A server of one's own, for tests that kill it."""
    server = PostgresServer(options, name)
    server.start()
    try:
        yield server
    finally:
        server.stop()
