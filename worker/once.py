"""`ctx.once()`: a handler's own writes and the end of its job in one transaction of PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any

import structlog

from monarq.jobs.errors import DatabaseUnavailable, DefinitionError
from monarq.jobs.outcome import Outcome, Released, Succeeded
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.faults import told_in_our_words
from monarq.jobs.store.postgres.repositories.durable_jobs import Begun, DurableJobRepository
from monarq.jobs.store.postgres.unit_of_work import Connection, UnitOfWork

from .durability import STALE_DELAY, AttemptOver, RowMissing, outcome_of
from .run import Run

log = structlog.get_logger("monarq.worker")

#: A job goes back for this long, and spends no attempt, if PostgreSQL cannot be had for its transaction.
AWAY_DELAY = timedelta(seconds=5)
#: How long to ask what became of a commit without an answer, and the pause between two tries.
_DECIDED_WITHIN = 10.0
_ASK_AGAIN = 0.2

#: From what the handler gives to `ctx.complete` to a success.
Success = Callable[[Any], Outcome]


class Effects:
    """Gives attempts their transactions.

    Args:
        database: With connections of its own: handlers hold them for as long as they like.
        longest_idle: How long such a transaction may be left alone.
    """

    def __init__(self, database: Database, longest_idle: timedelta) -> None:
        self._database = database
        self._longest_idle = longest_idle

    def of(self, run: Run, success: Success) -> Once:
        """That of one attempt."""
        return Once(self._database, run, success, self._longest_idle)

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()


class Once:
    """The transaction of one attempt."""

    def __init__(self, database: Database, run: Run, success: Success, longest_idle: timedelta) -> None:
        self._database = database
        self._run = run
        self._success = success
        self._longest_idle = longest_idle
        self._begun = Begun(run.job_id, run.claimed.starts, run.worker, run.claimed.spent)
        self._was_used = self._is_open = False
        self._value: Any = None

    def complete(self, value: Any) -> None:
        """The job's result, if the transaction is committed."""
        if not self._is_open:
            raise DefinitionError("ctx.complete(): call it within `async with ctx.once()`")
        self._value = value

    @asynccontextmanager
    async def once(self) -> AsyncIterator[Connection]:
        """Open it, lend its connection, and commit it with the end of the job."""
        if self._was_used:
            raise DefinitionError("ctx.once(): an attempt has one such transaction; it was used already")
        self._was_used = True
        async with AsyncExitStack() as stack:
            with self._handed_back_if_away():
                connection = await stack.enter_async_context(self._database.lend())
                await self._open(connection)
            async with UnitOfWork(connection) as unit:
                await unit.durable_jobs.bound_idle(self._longest_idle)
                self._is_open = True
                try:
                    yield connection
                finally:
                    self._is_open = False
                await self._commit(unit)

    # --- begin

    async def _open(self, connection: Connection) -> None:
        """Write the attempt down, and commit that at once: PostgreSQL then refuses those before it."""
        jobs = DurableJobRepository(connection)
        if not await jobs.open_once(self._begun):
            await self._stop(jobs)

    @contextmanager
    def _handed_back_if_away(self) -> Iterator[None]:
        """What nobody can do anything about must not spend an attempt."""
        try:
            with told_in_our_words():
                yield
        except DatabaseUnavailable as error:
            log.warning("durable.once_put_off", job_id=self._run.job_id, error=str(error))
            self._end(Released(AWAY_DELAY, None))

    async def _stop(self, jobs: DurableJobRepository) -> None:
        """Another attempt has ended the job, or has begun since."""
        standing = (await jobs.look([self._begun.job_id])).get(self._begun.job_id)
        if standing is None:
            raise RowMissing(self._begun.job_id)
        log.warning("durable.attempt_is_stale", job_id=self._begun.job_id, recorded=standing.state)
        self._end(Released(STALE_DELAY, None) if standing.state is None else outcome_of(standing))

    def _end(self, outcome: Outcome) -> None:
        self._run.verdict = outcome
        raise AttemptOver

    # --- end

    async def _commit(self, unit: UnitOfWork) -> None:
        outcome = self._success(self._value)
        result = outcome.result if isinstance(outcome, Succeeded) else None
        with told_in_our_words():
            if not await unit.durable_jobs.end_once(self._begun, result):
                await self._stop(unit.durable_jobs)
        is_committed, stop = await _unstoppably(self._committed(unit))
        if is_committed is None:
            self._end(Released(AWAY_DELAY, None))
        if not is_committed:
            raise DatabaseUnavailable("PostgreSQL: the connection was lost, and nothing is committed")
        self._run.verdict = outcome
        if stop is not None:
            raise stop

    async def _committed(self, unit: UnitOfWork) -> bool | None:
        """Commit; whether that happened, None if nobody can tell yet."""
        try:
            with told_in_our_words():
                await unit.commit()
        except DatabaseUnavailable as error:
            log.warning("durable.commit_unanswered", job_id=self._begun.job_id, error=str(error))
            return await self._decided()
        return True

    async def _decided(self) -> bool | None:
        deadline = time.monotonic() + _DECIDED_WITHIN
        while time.monotonic() < deadline:
            try:
                async with self._database.unit() as unit:
                    standing = await unit.durable_jobs.decide_once(self._begun.job_id)
            except DatabaseUnavailable:
                await asyncio.sleep(_ASK_AGAIN)
            else:
                return standing is not None and standing.state is not None and standing.is_of(self._begun)
        return None


async def _unstoppably(deciding: Any) -> tuple[bool | None, asyncio.CancelledError | None]:
    """Wait for what must be known before the attempt can end, and who wanted to stop it meanwhile."""
    task = asyncio.ensure_future(deciding)
    stop = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            stop = error
    return task.result(), stop
