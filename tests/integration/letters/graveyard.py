"""Dead letters in one of the places where they may lie."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, Origin, open_dead_letters
from monarq.jobs.store.keys import DEAD_LETTER, queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.archive import Archive
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.queues import known_queues
from tests.integration.cli.burial import bury

ORIGIN = Origin(actor="ann@desk", place="a test")
#: All that are there, also those that die in the very ms of the move.
AT_ONCE = timedelta(seconds=-1)


class Graveyard:
    """Makes letters, and sees to it that they lie where they should."""

    def __init__(self, link: Link, letters: DeadLetters) -> None:
        self.link = link
        self.letters = letters

    async def bury(
        self,
        *job_ids: str,
        queue: str = "default",
        died_ms: int | None = None,
        body: bytes | None = None,
        **options: Any,
    ) -> None:
        """Let jobs die: of what `options` say, at `died_ms`, with `body` for an envelope."""
        await bury(self.link, *job_ids, queue=queue, **options)
        for job_id in job_ids:
            if died_ms is not None:
                await self.link.call("ZADD", queue_keys(queue).dead, "XX", died_ms, job_id)
            if body is not None:
                await self.link.call("SET", DEAD_LETTER + job_id, body)
        await self.settle()

    async def settle(self) -> None:
        """Let the letters come to where they belong."""

    async def ids(self) -> list[str]:
        return [letter.job_id for letter in await self.letters.list(limit=10_000)]

    async def ready(self, queue: str = "default") -> set[str]:
        """The jobs that wait."""
        zsets = queue_keys(queue).ranks
        found = [await self.link.call("ZRANGE", zset, 0, -1) for zset in zsets]
        return {job_id.decode() for part in found for job_id in part}


class DatabaseGraveyard(Graveyard):
    """With a database, the letters still in Redis."""

    def __init__(self, link: Link, database: Database) -> None:
        super().__init__(link, open_dead_letters(link, database, origin=ORIGIN))
        self.database = database
        self.archive = Archive(link, database, keep=timedelta(days=90))

    async def move(self) -> int:
        """Move what can be moved."""
        queues = await known_queues(self.link, tagged=False)
        await self.archive.tidy(queues)
        return sum([await self.archive.move_all(queue, older_than=AT_ONCE) for queue in queues])

    async def rows(self, statement: str, *values: Any) -> list[Any]:
        async with self.database.connection() as connection:
            found: list[Any] = await connection.fetch(statement, *values)
            return found


class ArchivedGraveyard(DatabaseGraveyard):
    """With a database, the letters in it."""

    async def settle(self) -> None:
        await self.move()


@asynccontextmanager
async def open_graveyard(
    redis_url: str, database_url: str | None, *, archived: bool = False
) -> AsyncIterator[Graveyard]:
    """A graveyard at these servers."""
    link = Link(from_url(redis_url))
    database = None if database_url is None else open_database(Settings(database_url=database_url))
    try:
        if database is None:
            yield Graveyard(link, open_dead_letters(link, origin=ORIGIN))
        else:
            yield (ArchivedGraveyard if archived else DatabaseGraveyard)(link, database)
    finally:
        await link.close()
        if database is not None:
            await database.close()
