"""Durable jobs in a worker: PostgreSQL is asked before an attempt, and told of its end before Redis is."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

import structlog

from monarq.jobs.errors import CorruptRecord, MonarqError
from monarq.jobs.failure import Cause, Failure, decode_failure
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Succeeded
from monarq.jobs.store.verbs import Verb

from .fresh_ends import PutBack
from .run import Run

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.repositories.durable_jobs import Standing

    from .executor import Executor
    from .ledger import Ledger

log = structlog.get_logger("monarq.worker")

#: How long a job goes back that this worker must not run: another one may reach PostgreSQL.
_ELSEWHERE_DELAY = timedelta(seconds=5)
#: The same for an attempt that PostgreSQL knows a later one of.
STALE_DELAY = timedelta(seconds=1)
#: Seconds between two lines about the same.
_LOG_EVERY = 60.0


class AttemptOver(BaseException):
    """The attempt ends now, as its run's verdict says.  No `Exception`, for no handler is to catch it."""


class DurableRowMissing(MonarqError):
    """The job's envelope says that it is durable, and PostgreSQL does not know it."""

    code = "durable_row_missing"

    def __init__(self, job_id: str) -> None:
        super().__init__(
            f"PostgreSQL does not know durable job {job_id!r}: it ended longer ago than MONARQ_DURABLE_KEEP, "
            f"or was written by another database"
        )


class Fate(Enum):
    """Whether a durable job may run here and now."""

    RUNS = auto()
    #: Too many ends wait for PostgreSQL to come back.
    IS_PUT_OFF = auto()
    #: PostgreSQL knows a later attempt: Redis has gone back.
    IS_BEHIND = auto()
    #: PostgreSQL has no such job.
    IS_UNKNOWN = auto()


class Durability:
    """Runs attempts of durable jobs.

    Args:
        ledger: None if the settings name no database: then durable jobs are left to other workers.
    """

    def __init__(self, executor: Executor, ledger: Ledger | None) -> None:
        self._executor = executor
        self._ledger = ledger
        self._told_at = 0.0

    def begin(self, runs: list[Run]) -> None:
        """Ask PostgreSQL about these attempts, in one statement; `attempt` waits for the answer."""
        for run in runs:
            run.is_durable = True
        if self._ledger is not None:
            self._ledger.open(runs)

    async def attempt(self, run: Run) -> Outcome:
        """What the executor does, if PostgreSQL has nothing against it.  Never raises, like that."""
        try:
            refusal = await self._refusal(run)
        except asyncio.CancelledError:
            if run.stopped_for is None or run.task is None:
                raise
            run.task.uncancel()
            return Released(timedelta(0), None)  # it has not begun
        if refusal is not None:
            return refusal
        loop = asyncio.get_running_loop()
        loop.call_soon(run.arm, loop)
        return await self._executor.attempt(run)

    # ---

    async def _refusal(self, run: Run) -> Outcome | None:
        if self._ledger is None:
            self._executor.put_back[run.claimed.queue.name, PutBack.NO_DATABASE] += 1
            self._ask_for_database(run)
            return await _given_back(run, _ELSEWHERE_DELAY)
        match await self._ledger.fate(run):
            case Fate.RUNS:
                return None
            case Fate.IS_PUT_OFF:
                return await _given_back(run, _ELSEWHERE_DELAY)
            case Fate.IS_BEHIND:
                return await _given_back(run, STALE_DELAY)
            case Fate.IS_UNKNOWN:
                run.verdict = self._executor.bury(run, DurableRowMissing(run.job_id))
            case ended:
                self._executor.acquaint(run)
                run.verdict = ended
        return run.verdict

    def _ask_for_database(self, run: Run) -> None:
        now = time.monotonic()
        if now - self._told_at >= _LOG_EVERY or not self._told_at:
            self._told_at = now
            log.warning(
                "job.needs_database",
                job_id=run.job_id,
                mend="it is durable: set MONARQ_DATABASE_URL, or start a worker that has it",
            )


async def _given_back(run: Run, delay: timedelta) -> Outcome:
    if run.claimed.abort_asked:
        # such a job is made due at once, and would be claimed again and again
        await asyncio.sleep(delay.total_seconds())
    return Released(delay, None)


def outcome_of(standing: Standing) -> Outcome:
    """How a job has ended, as PostgreSQL tells it."""
    match standing.state:
        case Verb.SUCCEEDED:
            return Succeeded(standing.result)
        case Verb.CANCELLED:
            return Cancelled(standing.result, None)
        case Verb.EXPIRED:
            return Expired(standing.result, None)
    return Dead(standing.result, _failure_of(standing))


def _failure_of(standing: Standing) -> Failure:
    try:
        return decode_failure(standing.failure or b"")
    except CorruptRecord as error:
        return Failure(
            spent=0,
            crashes=0,
            cause=Cause.ERROR,
            fence=standing.fence,
            worker=standing.worker,
            error_type="CorruptRecord",
            message=str(error),
        )
