"""Writing jobs that have ended into the history: fast as a rule, and each on its own where one is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from ...errors import DatabaseRefused
from .database import Database
from .repositories.attempts import AttemptRow
from .repositories.jobs import EndedJob
from .rolling import late_spans
from .storable import storable
from .unit_of_work import UnitOfWork

#: asyncpg raises the others while it encodes what it is to copy.
_REFUSALS = (DatabaseRefused, ValueError, TypeError, OverflowError)
#: Classes of SQLSTATE that say something about a value: unusable data, a constraint, a limit.
_ABOUT_VALUES = ("22", "23", "54")


class Refusal(NamedTuple):
    """A job that could not be written, and why."""

    job_id: str
    why: str


async def record(database: Database, jobs: Sequence[EndedJob]) -> list[Refusal]:
    """Write them, each once however often this is called; those that PostgreSQL cannot keep.

    Raises:
        DatabaseUnavailable: It did not answer; they may be written.
        DatabaseRefused: It writes none of them, whatever they hold: its tables are not there, say.
    """

    async def copy(unit: UnitOfWork) -> None:
        await unit.jobs.copy([ended.job for ended in jobs])
        await unit.attempts.copy(_attempts(jobs))
        await _note_late(unit, jobs)

    try:
        await database.transact(copy)
    except _REFUSALS as error:
        _raise_unless_about_values(error)
        # one is there already, as after a commit whose answer was lost; its day has no room yet; or it holds
        # what cannot be stored
        await _make_days(database, jobs)
        return await _add(database, [storable(ended) for ended in jobs])
    return []


async def _make_days(database: Database, jobs: Sequence[EndedJob]) -> None:
    days = sorted({ended.job.ended_at.astimezone(UTC).date() for ended in jobs})

    async def make(unit: UnitOfWork) -> None:
        for day in days:
            await unit.jobs.make_day(day)

    await database.transact(make)


async def _add(database: Database, jobs: Sequence[EndedJob]) -> list[Refusal]:
    async def add(unit: UnitOfWork) -> None:
        await unit.jobs.add([ended.job for ended in jobs])
        await unit.attempts.add(_attempts(jobs))
        await _note_late(unit, jobs)

    try:
        await database.transact(add)
    except _REFUSALS as error:
        _raise_unless_about_values(error)
        if len(jobs) == 1:
            return [Refusal(jobs[0].job.job_id, str(error))]
        half = len(jobs) // 2
        return [*await _add(database, jobs[:half]), *await _add(database, jobs[half:])]
    return []


async def _note_late(unit: UnitOfWork, jobs: Sequence[EndedJob]) -> None:
    late = late_spans((ended.job.ended_at for ended in jobs), datetime.now(UTC))
    if late:
        await unit.rollups.add_late(late)


def _attempts(jobs: Iterable[EndedJob]) -> list[AttemptRow]:
    return [attempt for ended in jobs for attempt in ended.attempts]


def _raise_unless_about_values(error: Exception) -> None:
    if isinstance(error, DatabaseRefused):
        state = str(getattr(error.__cause__, "sqlstate", None))
        if not state.startswith(_ABOUT_VALUES):
            raise error
