"""Sees that Redis has lost its data, or went back: it says another thing of itself than PostgreSQL knows."""

from __future__ import annotations

from ..epoch import Epoch, Mark, beat, loss_of, read_mark
from ..execute import Transport, execute
from .database import Database
from .repositories.epochs import Epochs

#: One beat in this time is enough, whoever gives it.
_BEAT_MS = 1_000


class LossWatch:
    """Looks, and beats if all is well."""

    def __init__(self, transport: Transport, database: Database) -> None:
        self._transport = transport
        self._database = database

    async def look(self) -> str | None:
        """Why Redis may lack jobs; None if nothing speaks for it, or somebody restores them already.

        Raises:
            StoreUnavailable: One of the servers did not answer.
        """
        loss = None
        for _ in range(2):  # an epoch may have begun between the two looks of the first round
            known, mark = await self.read()
            loss = None if mark.is_being_rebuilt else loss_of(mark, known)
            if loss is None:
                if known is not None and not mark.is_rebuilding and mark.now_ms - mark.at_ms > _BEAT_MS:
                    await self._beat(mark, known)
                break
        return loss

    async def read(self) -> tuple[Epoch | None, Mark]:
        """What PostgreSQL knows, and what Redis says.

        In this order: PostgreSQL is told of a beat after Redis has it, so Redis is at least as far.
        """
        async with self._database.connection() as connection:
            known = await Epochs(connection).current()
        return known, await read_mark(self._transport)

    async def _beat(self, mark: Mark, known: Epoch) -> None:
        written = await execute(self._transport, beat(mark, known.number))
        if written is not None:
            async with self._database.connection() as connection:
                await Epochs(connection).beat(Epoch(known.number, written.at_ms, mark.run_id))
