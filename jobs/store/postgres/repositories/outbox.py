"""The outbox: jobs that an app has committed, on their way to Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Outbox:
    """The rows of the outbox, on the connection of a unit."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def take(self, limit: int) -> list[WaitingRow]:
        """Up to `limit` rows, the oldest first, that no other unit has taken; the unit's until its end."""
        rows = await self._connection.fetch(statement("outbox_take"), limit)
        if rows:
            await self._connection.execute(statement("outbox_bound_idle"))
        return [WaitingRow(*row) for row in rows]

    async def remove(self, job_ids: Sequence[str]) -> None:
        """Forget these rows."""
        await self._connection.execute(statement("outbox_remove"), job_ids)

    async def end_durable(self, records: Mapping[str, bytes]) -> None:
        """Let durable jobs end as cancelled, each with this record: they are not sent."""
        await self._connection.execute(statement("outbox_end_durable"), [*records], [*records.values()])

    async def set_aside(self, reasons: Mapping[str, str]) -> None:
        """Keep these rows from being taken, until somebody looks after them."""
        await self._connection.execute(statement("outbox_set_aside"), [*reasons], [*reasons.values()])
