"""Dead letters as rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection

#: Which letter: its job, and when that died, ms.
Key = tuple[str, int]
_EPOCH = datetime.fromtimestamp(0, UTC)


def moment_of(ms: int) -> datetime:
    """A time of death as PostgreSQL has it, exactly; of one that no calendar has, the last that there is."""
    try:
        return _EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def as_ms(moment: datetime) -> int:
    """The same as Redis has it."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def storable(text: str) -> str:
    """As PostgreSQL takes it: without NUL, and without halves of characters."""
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A letter, with all that a replay needs and all that it is found by."""

    job_id: str
    died_at: datetime
    queue: str
    queue_entry: str
    kind: str | None
    rank: int
    fingerprint: str
    starts: int
    body: bytes
    attempts: Sequence[bytes]
    set_aside: dict[str, bytes]
    searchable: str

    @property
    def key(self) -> Key:
        return self.job_id, as_ms(self.died_at)

    @property
    def values(self) -> tuple[Any, ...]:
        """In the order of the statement that writes them."""
        found = list(self.set_aside), list(self.set_aside.values())
        place = self.job_id, self.died_at, self.queue, self.queue_entry, self.kind, self.rank
        return (*place, self.fingerprint, self.starts, self.body, self.attempts, *found, self.searchable)


class DeadLetterRepository:
    """The letters that Redis has given away, and the copies of those that it is about to give away."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # --- moving in

    async def add_copies(self, rows: Iterable[Row]) -> None:
        """Write copies of letters; those that are there already are left alone."""
        await self._connection.executemany(statement("add_dead_letter"), [row.values for row in rows])

    async def confirm(self, keys: Sequence[Key]) -> None:
        """These copies are the letters now."""
        await self._connection.execute(statement("confirm_dead_letters"), *_columns(keys))

    async def drop_copies(self, keys: Sequence[Key]) -> None:
        """Forget copies; what is a letter by now stays."""
        await self._connection.execute(statement("drop_copies"), *_columns(keys))

    async def moved(self, keys: Sequence[Key]) -> set[Key]:
        """Which of these are letters here."""
        rows = await self._connection.fetch(statement("moved_dead_letters"), *_columns(keys))
        return {key_of(row) for row in rows}

    async def pending(self, limit: int) -> Sequence[asyncpg.Record]:
        """Copies of which nobody has said yet that they are the letters."""
        found: Sequence[asyncpg.Record] = await self._connection.fetch(
            statement("pending_dead_letters"), limit
        )
        return found

    # --- moving out

    async def lock(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        """Hold letters until the end of the transaction; those that are still there."""
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(
            statement("lock_dead_letters"), *_columns(keys)
        )
        return rows

    async def delete(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        """Forget letters; those that were there, with the beginnings of their envelopes."""
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(
            statement("delete_dead_letters"), *_columns(keys)
        )
        return rows

    async def prune(self, queue: str, before: datetime, limit: int) -> Sequence[asyncpg.Record]:
        """Forget the oldest letters of a queue that died before then; which, as `delete`."""
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(
            statement("prune_dead_letters"), queue, before, limit
        )
        return rows

    async def reopen_jobs(
        self, keys: Sequence[Key], heads: Sequence[bytes], digests: Sequence[str]
    ) -> list[str]:
        """Let the durable jobs of these letters not have ended; the ids of those for which that is new."""
        found = await self._connection.fetch(
            statement("reopen_durable_jobs"), *_columns(keys), heads, digests
        )
        return [row["job_id"] for row in found]

    async def end_jobs_again(self, job_ids: Sequence[str]) -> None:
        """Undo `reopen_jobs`."""
        await self._connection.execute(statement("end_durable_jobs_again"), job_ids)

    # --- reading

    async def find(self, job_ids: Sequence[str]) -> Sequence[asyncpg.Record]:
        """The heads of the letters of these ids."""
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(statement("find_dead_letters"), job_ids)
        return rows

    async def open(self, keys: Sequence[Key]) -> Sequence[asyncpg.Record]:
        """What heads do not tell."""
        rows: Sequence[asyncpg.Record] = await self._connection.fetch(
            statement("open_dead_letters"), *_columns(keys)
        )
        return rows

    async def counts(self, queue: str | None = None) -> dict[str, int]:
        """How many there are, by queue."""
        rows = await self._connection.fetch(statement("count_dead_letters"), queue)
        return {row["queue"]: row["number"] for row in rows}

    async def queues(self) -> list[str]:
        """The names of the queues that have letters."""
        return [row["queue"] for row in await self._connection.fetch(statement("dead_letter_queues"))]


def _columns(keys: Sequence[Key]) -> tuple[list[str], list[datetime]]:
    return [storable(job_id) for job_id, _ in keys], [moment_of(died_ms) for _, died_ms in keys]


def key_of(row: asyncpg.Record) -> Key:
    """Which letter a row is."""
    return row["job_id"], as_ms(row["died_at"])
