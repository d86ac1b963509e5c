"""Somebody who dies at the n-th step of what he does, before it or after it; the servers live on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from monarq.jobs.store.execute import Transport
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.unit_of_work import Connection, UnitOfWork

T = TypeVar("T")


class Killed(BaseException):
    """The end of a process."""


class Life:
    """Counts steps: each command to Redis, each transaction of PostgreSQL."""

    def __init__(self, steps: int, *, after: bool) -> None:
        self._left = steps
        self._after = after
        self.is_over = False

    async def step(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, unless death comes first."""
        if self.is_over:  # cleaning up is no work for the dead
            raise Killed
        self._left -= 1
        if self._left == 0 and not self._after:
            self._end()
        done = await act()
        if self._left == 0:
            self._end()
        return done

    def _end(self) -> None:
        self.is_over = True
        raise Killed


class MortalTransport:
    """A link in the hands of a mortal."""

    def __init__(self, link: Transport, life: Life) -> None:
        self._link, self._life = link, life

    async def call(self, *command: Any, timeout: float | None = None) -> Any:
        return await self._life.step(lambda: self._link.call(*command, timeout=timeout))


class MortalDatabase:
    """A database in the hands of a mortal."""

    def __init__(self, database: Database, life: Life) -> None:
        self._database, self._life = database, life

    async def transact(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        return await self._life.step(lambda: self._database.transact(work))

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        async with self._database.connection() as connection:
            yield connection


async def died_at(
    steps: int, work: Callable[[Callable[[Any], Any], Callable[[Any], Any]], Awaitable[Any]], *, after: bool
) -> bool:
    """Let somebody do the work and die at a step of it; False if it was done before."""
    life = Life(steps, after=after)
    try:
        await work(lambda link: MortalTransport(link, life), lambda database: MortalDatabase(database, life))
    except Killed:
        return True
    return False
