"""The outbox: jobs that an app has committed, on their way to Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


class WaitingRow(NamedTuple):
    """A job on its way, as whoever wrote it has left it: nothing of it has been checked."""

    job_id: str
    queue: str
    kind: str
    rank: int
    #: When it may start, ms since the epoch; None: at once.
    due_ms: float | None
    head: bytes
    digest: str
    unique_rule: str


class SetAsideRow(NamedTuple):
    """A row that could not be sent, and why."""

    job_id: str
    queue: str
    kind: str
    created_at: datetime
    set_aside_at: datetime
    reason: str


class HeldRow(NamedTuple):
    """A job that is not in Redis yet; nothing of it has been checked."""

    job_id: str
    queue: str
    kind: str
    rank: int
    #: When it may start; None: at once.
    due_at: datetime | None
    #: The envelope up to the value of `et`.
    head: bytes
    created_at: datetime
    #: Since when it is not sent, and why; None: a relay sends it next.
    set_aside_at: datetime | None
    reason: str | None


class Depth(NamedTuple):
    """The outbox in numbers."""

    waiting: int
    #: The age of the oldest row that waits; None if none does.
    lag_seconds: float | None
    set_aside: int


class DiscardedRow(NamedTuple):
    """A row that was set aside, and is gone now."""

    job_id: str
    queue: str
    head: bytes


class Change(NamedTuple):
    """What a unique rule has made of the job that holds its key."""

    job_id: str
    #: None: as it was.
    head: bytes | None
    rank: int | None
    #: None: at once.
    due_at: datetime | None


class Outbox:
    """The rows of the outbox, on the connection of a unit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take(self, limit: int) -> list[WaitingRow]:
        """Up to `limit` rows, the oldest first, that no other unit has taken; the unit's until its end."""
        await self._connection.execute(statement("outbox_before_take"))
        rows = await self._connection.fetch(statement("outbox_take"), limit)
        return [WaitingRow(*row) for row in rows]

    async def remove(self, job_ids: Sequence[str]) -> None:
        """Forget these rows."""
        await self._connection.execute(statement("outbox_remove"), job_ids)

    async def end_durable(self, records: Mapping[str, bytes]) -> None:
        """Let durable jobs end as cancelled, each with this record: they are not sent."""
        await self._connection.execute(statement("outbox_end_durable"), [*records], [*records.values()])

    async def put_off_durable(self, changes: Sequence[Change]) -> None:
        """Let durable jobs that wait be what a later enqueue with their unique key has made of them."""
        columns = zip(*changes, strict=True)
        await self._connection.execute(statement("outbox_put_off_durable"), *map(list, columns))

    async def set_aside(self, reasons: Mapping[str, str]) -> None:
        """Keep these rows from being taken, until somebody looks after them."""
        await self._connection.execute(statement("outbox_set_aside"), [*reasons], [*reasons.values()])

    async def depth(self) -> Depth:
        """How many rows wait, for how long, and how many are set aside."""
        return Depth(*await self._connection.fetchrow(statement("outbox_depth")))

    async def list_set_aside(self, limit: int) -> list[SetAsideRow]:
        """Rows that could not be sent, the newest first."""
        rows = await self._connection.fetch(statement("outbox_list_set_aside"), limit)
        return [SetAsideRow(*row) for row in rows]

    async def find(self, job_id: str) -> HeldRow | None:
        """A row, whether it waits or is set aside."""
        row = await self._connection.fetchrow(statement("outbox_find"), job_id)
        return None if row is None else HeldRow(*row)

    async def retry(self, job_ids: Sequence[str] | None) -> list[str]:
        """Let rows that were set aside be taken again, or all of them; which ones."""
        return [row[0] for row in await self._connection.fetch(statement("outbox_retry"), job_ids)]

    async def discard(self, job_ids: Sequence[str] | None) -> list[DiscardedRow]:
        """Remove rows that were set aside, or all of them; which ones."""
        rows = await self._connection.fetch(statement("outbox_discard"), job_ids)
        return [DiscardedRow(*row) for row in rows]
