"""One transaction of PostgreSQL, and the repositories that work in it."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeAlias

import asyncpg

from .repositories.attempts import Attempts
from .repositories.audit import AuditRepository
from .repositories.dead_letters import DeadLetterRepository
from .repositories.durable_jobs import DurableJobRepository
from .repositories.jobs import Jobs
from .repositories.open_jobs import OpenJobs
from .repositories.outbox import Outbox
from .repositories.rollups import Rollups
from .repositories.schedules import ScheduleRepository
from .repositories.tokens import TokenRepository
from .repositories.users import UserRepository

#: asyncpg's own, or what stands for one that its pool lends.
Connection: TypeAlias = asyncpg.Connection


class UnitOfWork:
    """A use case, all of it or nothing: what was not committed when it is left is undone.

    The connection may be an app's own, in a transaction of its own: then `commit` releases a savepoint of it,
    and the app's own commit decides.

    Repositories hold no transaction: they do what they are asked on the connection of their unit.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.dead_letters = DeadLetterRepository(connection)
        self.audit = AuditRepository(connection)
        self._transaction = connection.transaction()
        self._is_open = False
        self.durable_jobs = DurableJobRepository(connection)
        self.outbox = Outbox(connection)
        self.open_jobs = OpenJobs(connection)
        self.jobs = Jobs(connection)
        self.attempts = Attempts(connection)
        self.rollups = Rollups(connection)
        self.schedules = ScheduleRepository(connection)
        self.users = UserRepository(connection)
        self.tokens = TokenRepository(connection)

    async def __aenter__(self) -> Self:
        await self._transaction.start()
        self._is_open = True
        return self

    async def commit(self) -> None:
        """Keep what was done.  Nothing can be done in the unit afterwards."""
        self._is_open = False
        await self._transaction.commit()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self._transaction.rollback()
        except Exception:  # a broken connection has undone it already; what broke it is what is told
            if error is None:
                raise
