"""Compares Redis with the durable jobs in PostgreSQL, and restores those that it has lost.

Safe while workers run, and for several at once: what is written are jobs that nobody can end meanwhile, a job
that is there is left alone, and the attempts of a restored one get numbers that none has had before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from ...errors import DefinitionError
from ..epoch import loss_of
from ..execute import Transport, execute
from ..keys import QueueKeys, queue_keys
from ..queues import announce, known_queues
from ..restoring import Known, Lack, compare, restore
from ..verbs import BATCH
from .database import Database
from .kept_ends import drain, kept_ids
from .loss_watch import LossWatch
from .rebuild import LostAgain, Rebuild
from .repositories.open_jobs import FIRST, Listed, OpenJob, OpenJobs
from .restorable import restorable
from .strays import ended_strays
from .unit_of_work import UnitOfWork

log = structlog.get_logger("monarq.postgres")

T = TypeVar("T")
AnyJob = TypeVar("AnyJob", Listed, OpenJob)
OnProgress = Callable[[int], None]

#: Jobs of one step: one transaction, if any of them is missing.
_STEP = 500
#: How often it is begun anew because Redis has lost its data once more.
_ROUNDS = 5
_SAMPLES = 10


@dataclass(slots=True)
class Sampled:
    """Some jobs: how many, and the first of them."""

    count: int = 0
    samples: list[str] = field(default_factory=list)

    def add(self, job_id: str) -> None:
        """One more."""
        self.count += 1
        if len(self.samples) < _SAMPLES:
            self.samples.append(job_id)


@dataclass(slots=True)
class Difference:
    """What Redis and PostgreSQL do not agree on."""

    #: Why Redis may have lost jobs; None if it is the one that was there before.
    loss: str | None = None
    #: Jobs that have not ended.
    open: int = 0
    #: Redis does not have them.
    missing: Sampled = field(default_factory=Sampled)
    #: Redis has them, but would number their attempts as earlier ones.
    behind: Sampled = field(default_factory=Sampled)
    #: They wait in Redis, but have ended: who claims one ends it, without running it.
    ended: Sampled = field(default_factory=Sampled)

    @property
    def is_none(self) -> bool:
        """There is nothing to restore."""
        return not (self.missing.count or self.behind.count)


@dataclass(slots=True)
class Restored:
    """What was done."""

    #: Jobs that have not ended, all of which were looked at.
    open: int = 0
    #: Jobs that Redis had lost.
    restored: int = 0
    #: Jobs that it had, but whose attempts it would have numbered as earlier ones.
    renumbered: int = 0


class Reconciler:
    """Compares, and restores.

    Args:
        lease: What a worker's claim holds for: a job that has begun is not due any earlier.
    """

    def __init__(
        self, transport: Transport, database: Database, *, lease: timedelta, tagged: bool = False
    ) -> None:
        self._transport = transport
        self._database = database
        self._lease = lease
        self._tagged = tagged

    async def count(self) -> int:
        """How many jobs have not ended: all that will be looked at."""
        async with self._database.connection() as connection:
            return await OpenJobs(connection).count()

    async def difference(self, on_progress: OnProgress | None = None) -> Difference:
        """What is not as it should be; nothing is changed.

        Raises:
            StoreUnavailable: One of the servers did not answer.
        """
        known, mark = await LossWatch(self._transport, self._database).read()
        found = Difference(loss=loss_of(mark, known))
        async for page in self._pages():
            if lacking := await self._lacking(page):
                for job, lack in await self._database.transact(partial(self._confirmed, lacking)):
                    (found.missing if lack is Lack.JOB else found.behind).add(job.job_id)
            found.open += len(page)
            if on_progress is not None:
                on_progress(found.open)
        async for job_id in ended_strays(self._transport, self._database, tagged=self._tagged):
            found.ended.add(job_id)
        return found

    async def restore(
        self, on_progress: OnProgress | None = None, *, take_over: bool = True
    ) -> Restored | None:
        """Write what is missing; None if somebody else does so already, and `take_over` is not wanted.

        Raises:
            StoreUnavailable: One of the servers did not answer.  What was done is done; repeat it.
        """
        for rounds_left in reversed(range(_ROUNDS)):
            rebuild = await Rebuild.begin(self._transport, self._database, take_over=take_over)
            if rebuild is None:
                return None
            try:
                await self._drain_kept_ends()
                return await self._restore_all(rebuild, on_progress)
            except LostAgain:
                if not rounds_left:
                    raise
        raise AssertionError  # pragma: no cover

    async def _restore_all(self, rebuild: Rebuild, on_progress: OnProgress | None) -> Restored:
        done = Restored()
        async for page in self._pages():
            if lacking := await self._lacking(page):
                lacks = await self._database.transact(partial(self._write, lacking, rebuild.number))
                done.restored += lacks.count(Lack.JOB)
                done.renumbered += lacks.count(Lack.NUMBERS)
            await rebuild.go_on()
            done.open += len(page)
            if on_progress is not None:
                on_progress(done.open)
        await rebuild.complete()
        return done

    async def _drain_kept_ends(self) -> None:
        for queue in await known_queues(self._transport, tagged=self._tagged):
            await drain(self._transport, self._database, queue)

    async def _pages(self) -> AsyncIterator[list[Listed]]:
        last = FIRST
        while True:
            async with self._database.connection() as connection:
                page = await OpenJobs(connection).page(last, _STEP)
            if not page:
                return
            yield page
            last = page[-1]

    async def _lacking(self, jobs: Sequence[Listed]) -> list[str]:
        """The ids of those of which Redis lacks something: a first look, which holds nobody up."""
        return [job.job_id for job, lack in await self._compared(jobs) if lack is not Lack.NOTHING]

    async def _confirmed(self, job_ids: Sequence[str], unit: UnitOfWork) -> list[tuple[OpenJob, Lack]]:
        """Those that Redis lacks, and that now cannot end before the unit does."""
        held = await unit.open_jobs.hold(job_ids)
        lacking = [(job, lack) for job, lack in await self._compared(held) if lack is not Lack.NOTHING]
        # after the look: PostgreSQL cannot be told of these ends now, so they are still kept
        ended = await self._ended_in_redis([job for job, _ in lacking])
        return [(job, lack) for job, lack in lacking if job.job_id not in ended]

    async def _ended_in_redis(self, jobs: Sequence[OpenJob]) -> set[str]:
        async def look(queue: QueueKeys, _: list[OpenJob]) -> list[set[str]]:
            return [await kept_ids(self._transport, queue)]

        by_queue = {job.queue: job for job in jobs}  # one of each queue is enough
        return set().union(*await self._by_queue(by_queue.values(), look))

    async def _compared(self, jobs: Sequence[AnyJob]) -> list[tuple[AnyJob, Lack]]:
        async def look(queue: QueueKeys, chunk: list[AnyJob]) -> list[tuple[AnyJob, Lack]]:
            known = [Known(job.job_id, job.fence) for job in chunk]
            lacks = await execute(self._transport, compare(queue, known))
            return list(zip(chunk, lacks, strict=True))

        return await self._by_queue(jobs, look)

    async def _write(self, job_ids: Sequence[str], epoch: int, unit: UnitOfWork) -> list[Lack]:
        lacking = [job for job, _ in await self._confirmed(job_ids, unit)]
        queues: set[QueueKeys] = set()

        async def write(queue: QueueKeys, chunk: list[OpenJob]) -> list[Lack]:
            queues.add(queue)
            jobs = [restorable(job, epoch=epoch, lease=self._lease) for job in chunk]
            return await execute(self._transport, restore(queue, jobs))

        lacks = await self._by_queue(lacking, write)
        if queues:
            await announce(self._transport, queues)
        return lacks

    async def _by_queue(
        self, jobs: Iterable[AnyJob], work: Callable[[QueueKeys, list[AnyJob]], Awaitable[list[T]]]
    ) -> list[T]:
        """What `work` answers for all of them, some hundreds at a time."""
        sorted_out: dict[str, list[AnyJob]] = {}
        for job in jobs:
            sorted_out.setdefault(job.queue, []).append(job)
        chunks = [
            work(queue, of_queue[at : at + BATCH])
            for name, of_queue in sorted_out.items()
            if (queue := self._queue(name)) is not None
            for at in range(0, len(of_queue), BATCH)
        ]
        return [answer for answers in await asyncio.gather(*chunks) for answer in answers]

    def _queue(self, name: str) -> QueueKeys | None:
        try:
            return queue_keys(name, tagged=self._tagged)
        except DefinitionError:  # written by hand; it must not keep the others from being restored
            log.error("postgres.queue_unusable", queue=name)
            return None
