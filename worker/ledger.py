"""What PostgreSQL knows of the durable jobs that this worker runs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from monarq.jobs.errors import StoreError
from monarq.jobs.identity import is_job_id
from monarq.jobs.outcome import Outcome
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.recording import Recorded, Verdict, record_ends
from monarq.jobs.store.postgres.repositories.durable_jobs import Begun, DurableJobRepository, Ended, Standing
from monarq.jobs.store.verbs import End

from .durability import Fate, outcome_of
from .reach import Reach
from .run import Run
from .settlement import end_of

#: Ends that Redis keeps for PostgreSQL, at most; past it, durable jobs wait.
MOST_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class _Opened:
    """PostgreSQL's answer about some attempts."""

    #: Those that may run.
    job_ids: set[str]
    #: What is known of the others.
    known: dict[str, Standing]


class Ledger:
    """Asks and tells PostgreSQL, in batches, and never waits long for it.

    Args:
        worker_id: Whose attempts they are.
    """

    def __init__(self, database: Database, *, worker_id: str) -> None:
        self._database = database
        self._worker_id = worker_id
        self._openings: dict[Run, asyncio.Task[_Opened | None]] = {}
        self._begins, self._ends = Reach("durable jobs: begins"), Reach("durable jobs: ends")
        #: Ends that Redis keeps, as far as this worker knows.
        self.kept = 0
        #: Set when PostgreSQL knew later attempts than Redis: Redis has gone back.
        self.is_behind = asyncio.Event()

    # --- begin

    def open(self, runs: Sequence[Run]) -> None:
        """Write down, in one statement, that these attempts begin."""
        opening = asyncio.ensure_future(self._open(runs))
        for run in runs:
            self._openings[run] = opening

    async def fate(self, run: Run) -> Fate | Outcome:
        """Whether the attempt may begin; if the job has ended already, how.

        While PostgreSQL is away it may: durable jobs run at least once.
        """
        opened = await asyncio.shield(self._openings.pop(run))
        if not is_job_id(run.job_id):
            return Fate.IS_UNKNOWN  # no row can have it
        if opened is None:
            return Fate.RUNS if self.kept < MOST_KEPT else Fate.IS_PUT_OFF
        if run.job_id in opened.job_ids:
            return Fate.RUNS
        standing = opened.known.get(run.job_id)
        if standing is None:
            return Fate.IS_UNKNOWN
        if standing.state is not None:
            return outcome_of(standing)
        if standing.is_past(_begun(run)):
            self.is_behind.set()
            return Fate.IS_BEHIND
        return Fate.RUNS  # somebody has locked its row; its end waits for that

    async def _open(self, runs: Sequence[Run]) -> _Opened | None:
        begun = [_begun(run) for run in runs if is_job_id(run.job_id)]
        try:
            return await self._begins.ask(lambda: self._ask_to_open(begun))
        except StoreError:
            return None

    async def _ask_to_open(self, begun: Sequence[Begun]) -> _Opened:
        async with self._database.connection() as connection:
            jobs = DurableJobRepository(connection)
            opened = await jobs.open(begun, self._worker_id)
            others = [one.job_id for one in begun if one.job_id not in opened]
            return _Opened(opened, dict(await jobs.look(others)) if others else {})

    # --- end

    async def record(self, ends: Sequence[tuple[Run, End]]) -> list[End | None]:
        """Record how jobs have ended; what Redis is to be told of each, None for nothing.

        What PostgreSQL cannot be told now is kept by Redis.
        """
        rows = [_ended(run, end) for run, end in ends]
        try:
            recorded = await self._ends.ask(lambda: record_ends(self._database, rows))
        except StoreError:
            return [replace(end, is_kept=True) for _, end in ends]
        return [_to_settle(run, end, became) for (run, end), became in zip(ends, recorded, strict=True)]


def _begun(run: Run) -> Begun:
    return Begun(run.job_id, run.claimed.starts, run.worker, run.claimed.spent)


def _ended(run: Run, end: End) -> Ended:
    failure = None if end.failure is None else end.failure.encode()
    return Ended(run.job_id, run.claimed.starts, run.worker, str(end.verb), end.result, failure)


def _to_settle(run: Run, end: End, became: Recorded) -> End | None:
    match became:
        case Recorded(Verdict.REFUSED):
            return None
        case Recorded(Verdict.REPEATED, Standing(state=state) as standing) if state != end.verb:
            return end_of(run, outcome_of(standing))  # a handler's transaction has ended it, and that counts
    return end  # also of a job that PostgreSQL does not know
