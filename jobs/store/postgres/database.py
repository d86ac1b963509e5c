"""The databases of one process: the primary, and the replica if there is one."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from math import isfinite
from typing import TypeVar

import structlog

from ...errors import DatabaseUnavailable, StoreError
from ...settings import Settings
from .faults import CONFLICTS, told_in_our_words
from .pool import Pool
from .repositories.epochs import Epochs
from .statements import statement
from .unit_of_work import Connection, UnitOfWork

log = structlog.get_logger("monarq.postgres")

T = TypeVar("T")

#: How often a unit is begun that PostgreSQL gives up for a deadlock or a conflict, and the first pause.
_TRIES = 5
_FIRST_PAUSE = 0.01
#: A replica that is away, or lags further behind than this, is not asked again for so long.
LARGEST_LAG_SECONDS = 10.0
_REST_SECONDS = 5.0
#: How long it may take to say how far it lags.
_LAG_ANSWER_SECONDS = 1.0


class Database:
    """PostgreSQL, reached when it is first needed: a process starts while it is away.

    Made by `open_database`.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.database_url is not None
        self._primary = Pool(settings.database_url.get_secret_value(), settings)
        replica = settings.database_replica_url
        self._replica = Pool(replica.get_secret_value(), settings) if replica else None
        self._replica_rests_until = 0.0

    async def close(self) -> None:
        """Close all connections."""
        await self._primary.close()
        if self._replica is not None:
            await self._replica.close()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection to the primary, in no transaction.

        Raises:
            DatabaseUnavailable: None could be had in time, or it broke.
            DatabaseRefused: The server answered with an error.
        """
        with told_in_our_words():
            async with self._primary.lend() as connection:
                yield connection

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """The same for an app's own statements: their errors stay asyncpg's."""
        async with AsyncExitStack() as stack:
            with told_in_our_words():
                connection = await stack.enter_async_context(self._primary.lend())
            yield connection

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[UnitOfWork]:
        """One transaction of the primary, undone unless it is committed."""
        async with self.connection() as connection, UnitOfWork(connection) as unit:
            yield unit

    async def check(self) -> None:
        """Read something small of ours.

        Raises:
            StoreError: The primary does not answer, or has not our tables.
        """
        async with self.connection() as connection:
            await Epochs(connection).current()

    async def transact(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        """Do a whole use case in one transaction and commit it; begin again after a deadlock or a conflict.

        Args:
            work: May be called several times, so what it does outside of the unit must bear that.

        Raises:
            DatabaseUnavailable: No answer (the commit may have happened), or conflicts without end.
        """
        for tried in range(1, _TRIES + 1):
            try:
                async with self.unit() as unit:
                    result = await work(unit)
                    await unit.commit()
                    return result
            except CONFLICTS as error:
                if tried == _TRIES:
                    told = f"PostgreSQL gave the transaction up {tried} times: {error}"
                    raise DatabaseUnavailable(told) from error
                await asyncio.sleep(random.uniform(0, _FIRST_PAUSE * 2**tried))
        raise AssertionError  # pragma: no cover

    async def read(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Read by the replica; by the primary if there is none, or if it is away or too far behind.

        Args:
            work: Reads only, and may be called twice.
        """
        if self._replica is not None and time.monotonic() >= self._replica_rests_until:
            try:
                with told_in_our_words():
                    async with self._replica.lend() as connection:
                        lag = await connection.fetchval(statement("replica_lag"), timeout=_LAG_ANSWER_SECONDS)
                        if lag <= LARGEST_LAG_SECONDS:
                            return await work(connection)
                behind = f"it is {lag:.0f} s behind" if isfinite(lag) else "it has replayed nothing yet"
                self._let_replica_rest(behind)
            except (StoreError, *CONFLICTS) as error:
                self._let_replica_rest(str(error))
        async with self.connection() as connection:
            return await work(connection)

    def _let_replica_rest(self, why: str) -> None:
        self._replica_rests_until = time.monotonic() + _REST_SECONDS
        log.warning("postgres.replica_rests", why=why, seconds=_REST_SECONDS)
