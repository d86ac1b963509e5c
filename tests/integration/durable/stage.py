"""A worker with both servers, and what PostgreSQL holds of its jobs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import asyncpg

from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.producer import Producer
from monarq.producer.relay import Relay
from monarq.worker import Worker
from tests.integration.worker.stage import running, settings_for

Serve = Callable[..., AbstractAsyncContextManager[Worker]]
Put = Callable[..., Awaitable[list[Any]]]
QUEUE = queue_keys("default")
#: What an app would write in its handlers.
EFFECTS = "CREATE TABLE effects (job_id text, fence bigint, attempt integer)"
ADD_EFFECT = "INSERT INTO effects VALUES ($1, $2, $3)"


class Row:
    """What PostgreSQL knows of a durable job."""

    def __init__(self, record: asyncpg.Record) -> None:
        self.state: str | None = record["state"]
        self.fence: int = record["fence"]
        self.worker: str = record["worker"]
        self.spent: int = record["spent"]
        self.result: bytes | None = record["result"]
        self.failure: bytes | None = record["failure"]


class Books:
    """A look into the database, over a connection of the test's own."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def fetch(self, sql: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def row(self, job_id: str) -> Row:
        [record] = await self.fetch("SELECT * FROM monarq.durable_jobs WHERE job_id = $1", job_id)
        return Row(record)

    @asynccontextmanager
    async def locked(self, job_id: str) -> AsyncIterator[None]:
        """Hold the job's row."""
        connection = await asyncpg.connect(self.url)
        try:
            async with connection.transaction():
                await connection.fetch(
                    "SELECT 1 FROM monarq.durable_jobs WHERE job_id = $1 FOR UPDATE", job_id
                )
                yield
        finally:
            await connection.close()

    async def state(self, job_id: str) -> str | None:
        return (await self.row(job_id)).state

    async def effects(self) -> list[tuple[str, int]]:
        rows = await self.fetch("SELECT job_id, fence FROM effects ORDER BY job_id, fence")
        return [(row["job_id"], row["fence"]) for row in rows]


def settings_with(redis_url: str, database_url: str, **given: Any) -> Settings:
    return settings_for(redis_url, database_url=database_url, **given)


@asynccontextmanager
async def serving(settings: Settings, *functions: Any, **options: Any) -> AsyncIterator[Worker]:
    async with running(functions, settings, **options) as worker:
        yield worker


async def relayed(settings: Settings, producer: Producer, *calls: Any, **options: Any) -> list[Any]:
    """Enqueue durable jobs, and bring them to Redis as a relay would."""
    handles = [await producer.enqueue(call, **options) for call in calls]
    database, link = open_database(settings), Link(from_url(settings.redis_url.get_secret_value()))
    try:
        while (await Relay(database, link, settings).carry()).taken:
            pass
    finally:
        await database.close()
        await link.close()
    return handles
