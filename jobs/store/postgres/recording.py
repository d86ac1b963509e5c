"""Recording how durable jobs have ended, in one transaction for many of them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

from .database import Database
from .repositories.durable_jobs import Ended, Standing
from .unit_of_work import UnitOfWork


class Verdict(Enum):
    """What PostgreSQL says to an end."""

    RECORDED = auto()
    REPEATED = auto()  #: this attempt has ended the job already, maybe otherwise
    REFUSED = auto()  #: the attempt is not the newest, or another one has ended the job
    UNKNOWN = auto()  #: there is no such job


class Recorded(NamedTuple):
    """What became of one end."""

    verdict: Verdict
    #: What was known already.
    standing: Standing | None = None


async def record_ends(database: Database, ends: Sequence[Ended]) -> list[Recorded]:
    """Record ends, at most one per job.

    Raises:
        DatabaseUnavailable: No answer; they may be recorded, and may be recorded again.
    """

    async def work(unit: UnitOfWork) -> list[Recorded]:
        recorded = await unit.durable_jobs.end(ends)
        others = [end.job_id for end in ends if end.job_id not in recorded]
        known = await unit.durable_jobs.look(others) if others else {}
        return [
            Recorded(Verdict.RECORDED) if end.job_id in recorded else _judged(end, known.get(end.job_id))
            for end in ends
        ]

    return await database.transact(work)


def _judged(end: Ended, standing: Standing | None) -> Recorded:
    if standing is None:
        return Recorded(Verdict.UNKNOWN)
    is_repeat = standing.is_of(end) and standing.state is not None
    return Recorded(Verdict.REPEATED if is_repeat else Verdict.REFUSED, standing)
