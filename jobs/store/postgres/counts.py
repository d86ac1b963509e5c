"""What PostgreSQL adds to the numbers of the queues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..schedule import SeenSchedule
from .database import Database
from .repositories.dead_letters import DeadLetterRepository
from .repositories.outbox import Depth, Outbox
from .repositories.schedules import ScheduleRepository
from .unit_of_work import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCounts:
    """What lies in PostgreSQL now."""

    #: Dead letters that Redis has given away, by queue.
    dead: Mapping[str, int]
    outbox: Depth
    #: Cron jobs of all workers, gone ones too.
    schedules: Sequence[SeenSchedule]


async def read_counts(database: Database) -> DatabaseCounts:
    """Count them.

    Raises:
        DatabaseUnavailable: PostgreSQL did not answer.
    """
    return await database.read(_count)


async def _count(connection: Connection) -> DatabaseCounts:
    return DatabaseCounts(
        dead=await DeadLetterRepository(connection).counts(),
        outbox=await Outbox(connection).depth(),
        schedules=await ScheduleRepository(connection).list(),
    )
