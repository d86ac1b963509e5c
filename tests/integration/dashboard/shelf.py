"""Jobs to look for: in Redis those that have not ended, in PostgreSQL those that have."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from pydantic_core import to_json

from benchmarks.made_up_history import COLUMNS, copy
from monarq.jobs.envelope import encode_head
from monarq.jobs.priority import Priority
from monarq.jobs.store import verbs
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed, Entry
from tests.contract.store import LEASE, Store, a_failure, an_end

#: When finished jobs have ended, unless said otherwise.
DAY = datetime(2026, 3, 31, 12, tzinfo=UTC)
_NOW = timedelta(0)


class Shelf:
    """Puts jobs where they would be."""

    def __init__(self, transport: Transport, database_url: str) -> None:
        self._transport = transport
        self._url = database_url

    def store(self, queue: str) -> Store:
        return Store(self._transport, None, queue_keys(queue))  # type: ignore[arg-type]

    async def wait(
        self,
        *job_ids: str,
        queue: str = "mail",
        kind: str = "mail.send",
        priority: Priority = Priority.NORMAL,
        due: timedelta = _NOW,
        tags: tuple[str, ...] = (),
        **arguments: Any,
    ) -> None:
        """Jobs that are ready, or scheduled."""
        head = encode_head(kind, to_json(arguments), queue=queue, priority=priority, tags=tags)
        entries = [Entry(job_id, priority, due, head, "", "") for job_id in job_ids]
        await execute(self._transport, verbs.enqueue(queue_keys(queue), entries))

    async def run(self, job_id: str, *, queue: str = "mail", worker: str = "w1", **options: Any) -> Claimed:
        """A job that runs; it must be the only one that is due."""
        await self.wait(job_id, queue=queue, **options)
        [job] = await self.store(queue).claim(worker=worker, lease=LEASE)
        assert job.job_id == job_id
        return job

    async def retry(self, job_id: str, *, queue: str = "mail", message: str = "boom", **options: Any) -> None:
        """A job that waits out its backoff."""
        job = await self.run(job_id, queue=queue, **options)
        failure = a_failure(message=message)
        end = an_end(job, verbs.Verb.RETRYING, failure=failure, delay=timedelta(hours=1))
        await self.store(queue).settle(end)

    async def end(self, *rows: dict[str, Any]) -> None:
        """Jobs that have ended."""
        connection = await asyncpg.connect(self._url)
        for day in {row.get("ended_at", DAY).date() for row in rows}:
            await connection.execute("SELECT monarq.make_history_days($1, 1)", day)
        await copy(connection, [tuple((_ROW | row)[name] for name in COLUMNS) for row in rows])
        await connection.close()


_ROW: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "ended_at": DAY,
    "state": "succeeded",
    "queue": "mail",
    "kind": "mail.send",
    "priority": "normal",
    "tags": [],
    "attempts": 0,
    "starts": 1,
    "started_at": DAY - timedelta(seconds=1),
    "run_ms": 1_000,
    "payload": "{}",
}
