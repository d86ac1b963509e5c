"""The life of the Redis beside this database: one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...epoch import Epoch
from ..statements import statement

if TYPE_CHECKING:
    from ..unit_of_work import Connection


class Epochs:
    """Reads and writes `monarq.epochs`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def current(self) -> Epoch | None:
        """What is known of it; None if nothing is."""
        row = await self._connection.fetchrow(statement("epoch_read"))
        return None if row is None else Epoch(row["epoch"], row["beat"], row["run_id"])

    async def begin(self, number: int) -> bool:
        """Begin an epoch; False if it, or a later one, has begun."""
        return await self._connection.fetchval(statement("epoch_begin"), number) is not None

    async def beat(self, epoch: Epoch) -> None:
        """Redis has had this beat of this epoch."""
        await self._connection.execute(statement("epoch_beat"), epoch.number, epoch.beat_ms, epoch.run_id)
