"""The servers of `monarq dev`: a Valkey, and a PostgreSQL if it is wanted or can be had."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from monarq.jobs.settings import Settings

from .postgres import EmbeddedPostgres, missing_packages
from .supervisor import Server
from .valkey import EmbeddedValkey, ServerDidNotStart


class Servers:
    """Started together; who leaves the block stops them.

    Args:
        directory: Valkey's data lie in it, and PostgreSQL's in a folder of it.
        port: Valkey's; 0: a socket in the folder.
        postgres: Whether there is a PostgreSQL, too; None: if its packages are installed.
    """

    def __init__(self, directory: Path, port: int, *, postgres: bool | None) -> None:
        self.valkey = EmbeddedValkey(directory, port)
        wanted = not missing_packages() if postgres is None else postgres
        self.postgres = EmbeddedPostgres(directory / "postgres") if wanted else None
        self._declined = postgres is False

    @property
    def by_name(self) -> dict[str, Server]:
        """In the order in which they are started."""
        return {"Valkey": self.valkey} | ({"PostgreSQL": self.postgres} if self.postgres else {})

    @property
    def environ(self) -> dict[str, str | None]:
        """What a process must know to use them.

        None takes a variable away: with this Redis, no process may touch a database that belongs to another.
        """
        return {
            "MONARQ_REDIS_URL": self.valkey.url,
            "MONARQ_DATABASE_URL": self.postgres.url if self.postgres else None,
            "MONARQ_DATABASE_DIRECT_URL": None,
            "MONARQ_DATABASE_REPLICA_URL": None,
        }

    def migrate(self, settings: Settings) -> None:
        """Bring the tables up to this release."""
        if self.postgres is None:
            return
        from monarq.jobs.store.postgres.migrating import migrate

        own = {"database_url": SecretStr(self.postgres.url), "database_direct_url": None}
        asyncio.run(migrate(settings.model_copy(update=own)))

    def told(self) -> Iterator[str]:
        """A line for each, for people."""
        yield f"Valkey      {self.valkey.url}  (data in {os.path.relpath(self.valkey.directory)})"
        if self.postgres is not None:
            yield f"PostgreSQL  {self.postgres.url}  (data in {os.path.relpath(self.postgres.directory)})"
        elif not self._declined:
            yield f"PostgreSQL  none; to have one: pip install {' '.join(missing_packages())}"

    def __enter__(self) -> Self:
        self.valkey.start()
        try:
            if self.postgres is not None:
                self.postgres.start()
        except ServerDidNotStart as error:
            self.valkey.stop()
            raise ServerDidNotStart(f"{error}\n(monarq dev --no-postgres goes without it)") from error
        except BaseException:
            self.valkey.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # first who does not hold the folder's lock
        if self.postgres is not None:
            self.postgres.stop()
        self.valkey.stop()
