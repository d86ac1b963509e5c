"""A look at what lies in both servers, and relays that run beside a test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from redis.asyncio import Redis

from monarq.jobs.store.keys import JOB, queue_keys
from monarq.producer.relay import Relay


class Stage:
    """Redis and PostgreSQL, as somebody sees them who takes no part."""

    def __init__(self, client: Redis, database_url: str) -> None:
        self.client = client
        self._database_url = database_url

    async def fetch(self, statement: str, *arguments: Any) -> list[Any]:
        """Rows, over a connection of its own."""
        connection = await asyncpg.connect(self._database_url)
        try:
            return list(await connection.fetch(statement, *arguments))
        finally:
            await connection.close()

    async def outbox(self) -> list[str]:
        """The ids of the rows that others can see, whatever became of them."""
        return [row[0] for row in await self.fetch("SELECT job_id FROM monarq.outbox ORDER BY created_at")]

    async def set_aside(self) -> dict[str, str]:
        """Why rows cannot be sent, by id."""
        rows = await self.fetch("SELECT job_id, reason FROM monarq.outbox WHERE set_aside_at IS NOT NULL")
        return dict(map(tuple, rows))

    async def durable(self, job_id: str) -> Any:
        """The row of a durable job; None if there is none."""
        rows = await self.fetch("SELECT * FROM monarq.durable_jobs WHERE job_id = $1", job_id)
        return rows[0] if rows else None

    async def in_redis(self, queue: str = "default") -> list[str]:
        """The ids of the jobs that wait, by the time at which they may start."""
        found: list[str] = []
        for zset in queue_keys(queue).ranks:
            found += await self.client.zrange(zset, 0, -1)
        return found

    async def has(self, job_id: str) -> bool:
        """Whether it waits in Redis."""
        return job_id in await self.in_redis()

    async def lacks(self, job_id: str) -> bool:
        """Whether it does not."""
        return not await self.has(job_id)

    async def is_empty(self) -> bool:
        """Whether nothing is left in the outbox."""
        return not await self.outbox()

    async def envelope(self, job_id: str) -> str:
        """A job's envelope."""
        return str(await self.client.get(JOB + job_id))


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[None]:
    """Relays that run until the block ends."""
    lives = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield
    finally:
        for relay in relays:
            relay.stop()
        for life in lives:
            await asyncio.wait([life], timeout=20)
            life.cancel()
        for ended in await asyncio.gather(*lives, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def carry_all(relay: Relay) -> int:
    """Relay until nothing is left that can be sent; how many rows that were."""
    taken = 0
    while carried := (await relay.carry()).taken:
        taken += carried
    return taken


def raw_row(job_id: str = "a", **columns: Any) -> dict[str, Any]:
    """A row as anybody may write it, good unless `columns` says otherwise."""
    head = b'{"m":{"v":1,"o":1},"t":null,"f":"order.confirm","a":[],"k":{"order":1},"et":'
    row = {"job_id": job_id, "queue": "default", "kind": "order.confirm", "rank": 2, "head": head}
    return row | columns
