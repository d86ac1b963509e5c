"""Durable jobs as rows of PostgreSQL, written by SQL."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from monarq.jobs.envelope import DURABLE, encode_head
from monarq.jobs.priority import PRIORITIES
from monarq.jobs.settings import Settings
from monarq.jobs.store import verbs
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.loss_watch import LossWatch
from monarq.jobs.store.postgres.reconciling import Reconciler
from monarq.jobs.store.verbs import Entry

KIND = "test.kind"
#: The first of all rows is enqueued then, each of the others a millisecond after the one before.
ENQUEUED = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(seconds=30)
_COLUMNS = ("job_id", "queue", "kind", "rank", "due_at", "head", "unique_rule", "created_at", "fence")
_COLUMNS += ("worker", "spent", "state", "ended_at")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One job; by default one that waits, and that nobody has begun."""

    job_id: str
    queue: str = "default"
    rank: int = 2
    due_at: datetime | None = None
    unique_rule: str = ""
    unique: str | None = None
    created_at: datetime = ENQUEUED
    fence: int = 0
    worker: str = ""
    spent: int = 0
    state: str | None = None

    @property
    def head(self) -> bytes:
        priority = PRIORITIES[self.rank]
        return encode_head(
            KIND, b"{}", queue=self.queue, priority=priority, unique=self.unique, marks=DURABLE
        )

    def values(self) -> tuple[Any, ...]:
        ended_at = None if self.state is None else self.created_at
        return (
            *(self.job_id, self.queue, KIND, self.rank, self.due_at, self.head, self.unique_rule),
            *(self.created_at, self.fence, self.worker, self.spent, self.state, ended_at),
        )


def many(count: int, *, prefix: str = "job", **columns: Any) -> list[Row]:
    """Rows that were enqueued one after another."""
    return [
        Row(job_id=f"{prefix}-{n:06}", created_at=ENQUEUED + timedelta(milliseconds=n), **columns)
        for n in range(count)
    ]


@dataclass(frozen=True)
class Pair:
    """A Redis and the PostgreSQL beside it, with what compares them."""

    link: Link
    database: Database
    sql: asyncpg.Connection

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(self.link, self.database, lease=LEASE)

    @property
    def watch(self) -> LossWatch:
        return LossWatch(self.link, self.database)

    async def write(self, rows: Iterable[Row]) -> None:
        """Commit them; no relay is to send them."""
        records = [row.values() for row in rows]
        await self.sql.copy_records_to_table(
            "durable_jobs", schema_name="monarq", columns=_COLUMNS, records=records
        )

    async def push(self, rows: Sequence[Row]) -> None:
        """What a relay does with them."""
        for name in {row.queue for row in rows}:
            entries = [
                Entry(row.job_id, PRIORITIES[row.rank], row.due_at or timedelta(0), row.head)
                for row in rows
                if row.queue == name
            ]
            for at in range(0, len(entries), verbs.BATCH):
                await execute(self.link, verbs.enqueue(queue_keys(name), entries[at : at + verbs.BATCH]))

    async def claim(self, limit: int = 100, *, worker: str = "w", queue: str = "default") -> dict[str, int]:
        """Job ids with the numbers of their attempts."""
        request = verbs.claim(
            [queue_keys(queue)],
            worker=worker,
            nonce=f"{worker}{await self.link.call('INCR', 'nonces')}",
            limit=limit,
            lease=LEASE,
            ageing=timedelta(minutes=1),
        )
        return {job.job_id: job.starts for job in (await execute(self.link, request)).jobs}

    async def end(self, *job_ids: str) -> None:
        """Let them have ended, as PostgreSQL knows."""
        await self.sql.execute(
            "UPDATE monarq.durable_jobs SET state = 'succeeded', ended_at = now() WHERE job_id = ANY($1)",
            job_ids,
        )

    async def waiting(self, queue: str = "default") -> set[str]:
        """All that stand in a queue."""
        found: set[str] = set()
        for zset in queue_keys(queue).ranks:
            found |= {job_id.decode() for job_id in await self.link.call("ZRANGE", zset, 0, -1)}
        return found


@asynccontextmanager
async def open_pair(redis_url: str, database_url: str) -> AsyncIterator[Pair]:
    """Connections to both."""
    link = Link(from_url(redis_url))
    database = open_database(Settings(database_url=database_url))  # type: ignore[arg-type]
    sql = await asyncpg.connect(database_url)
    try:
        yield Pair(link, database, sql)
    finally:
        await sql.close()
        await link.close()
        await database.close()
