"""One rebuilding of Redis, as both servers know of it, from the first step to the last."""

from __future__ import annotations

from typing import Self

from ...errors import StoreUnavailable
from ..epoch import Epoch, Mark, beat, read_mark
from ..execute import Transport, execute
from .database import Database
from .repositories.epochs import Epochs

#: Tries to be the one who rebuilds, where others wish to be it, too.
_TRIES = 20


class LostAgain(StoreUnavailable):
    """While it was rebuilt, Redis lost its data once more."""


class Rebuild:
    """Somebody restores jobs.  Others leave it alone for as long as it goes on; who wants to can take over.

    Made by `begin`.
    """

    def __init__(self, transport: Transport, database: Database, mark: Mark, number: int) -> None:
        self._transport = transport
        self._database = database
        self._mark = mark
        #: The epoch that begins with it.
        self.number = number
        self._is_ours = True

    @classmethod
    async def begin(cls, transport: Transport, database: Database, *, take_over: bool) -> Self | None:
        """The first step; None if somebody else has made it already, and `take_over` is not wanted.

        Raises:
            StoreUnavailable: One of the servers did not answer.
        """
        for _ in range(_TRIES):
            mark = await read_mark(transport)
            if mark.is_being_rebuilt and not take_over:
                return None
            async with database.connection() as connection:
                known = await Epochs(connection).current()
            number = max(mark.epoch or 0, known.number if known else 0) + 1
            # Redis first: of many who want to, it lets one
            begun = await execute(transport, beat(mark, number, "rebuilding"))
            if begun is not None and await _begin(database, number):
                return cls(transport, database, begun, number)
        raise StoreUnavailable("others rebuild this Redis at the same time, again and again")

    async def go_on(self) -> None:
        """Say after each step that it goes on.

        Raises:
            LostAgain: Redis does not know of it any more.
        """
        if self._is_ours:
            await self._keep(await execute(self._transport, beat(self._mark, self.number, "rebuilding")))

    async def complete(self) -> None:
        """The last step: from now on this Redis is the one that is known.

        Raises:
            LostAgain: Redis does not know of it any more, or has restarted meanwhile.
        """
        if not self._is_ours:  # whoever took over goes through all jobs, and completes it
            return
        mark = await read_mark(self._transport)
        if mark.run_id != self._mark.run_id:
            raise LostAgain("Redis has restarted while it was rebuilt")
        written = await execute(self._transport, beat(self._mark, self.number))
        await self._keep(written)
        if written is not None:
            async with self._database.connection() as connection:
                await Epochs(connection).beat(Epoch(self.number, written.at_ms, mark.run_id))

    async def _keep(self, written: Mark | None) -> None:
        if written is not None:
            self._mark = written
            return
        self._is_ours = False
        mark = await read_mark(self._transport)
        if (mark.epoch or 0) <= self.number:
            raise LostAgain("Redis has lost its data again while it was rebuilt")


async def _begin(database: Database, number: int) -> bool:
    async with database.connection() as connection:
        return await Epochs(connection).begin(number)
