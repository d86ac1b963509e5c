"""One operation while this process has it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from monarq.jobs.errors import StoreError, StoreFull, StoreRefused, StoreUnavailable
from monarq.jobs.store.operations import End, ItemFailure, Noted, Operation, Operations, OperationState
from monarq.jobs.store.pace import Pace
from monarq.jobs.store.verbs import BATCH

from .work import Batch, Outcome
from .works import Works

log = structlog.get_logger("monarq.dashboard")

#: Seconds between two words that it is still at it, each of which asks whether it is to end.
_SAY_SO_EVERY = 1.0
#: Seconds until it tries again what a store did not take, at first and at most.
_FIRST_REST, _LONGEST_REST = 0.5, 10.0
_FULL = "Redis is full"
_AWAY = "a store does not answer"
_REFUSED = "the store refused it; see the log of the dashboard"


class Run:
    """Goes through the jobs batch by batch, and says after each how far it has come.

    Before each batch it says which jobs are in it.  Who goes on after a crash asks of these whether it was
    done to them, so that each is counted once.
    """

    def __init__(
        self, operations: Operations, operation: Operation, works: Works, owner: str, lease: timedelta
    ) -> None:
        self._operations = operations
        self._plan = operation.plan
        self._id = operation.plan.id
        self._total = operation.plan.total
        self._works = works
        self._work = works.of(operation)
        self._owner = owner
        self._lease = lease
        self._pace = Pace(operation.start.rate if operation.start else None, most=BATCH)
        self._advance = operation.advance
        self._is_told_to_end = asyncio.Event()
        self._is_lost = False
        self.has_ended = False

    async def go(self) -> None:
        """Run to the end; or until another process has it.

        Raises:
            StoreError: It cannot be told any more how far it has come.
        """
        heart = asyncio.create_task(self._beat())
        try:
            await self._go_on()
            if not self._is_lost:
                await self._end()
        except asyncio.CancelledError:
            with suppress(StoreError):  # so that another process can go on at once
                await self._operations.advance(self._id, self._owner, timedelta(0))
            raise
        finally:
            heart.cancel()

    async def _go_on(self) -> None:
        rest = _FIRST_REST
        while not self._stops:
            try:
                await self._settle_what_was_under_way()
                batch = await self._next()
                if batch is None:
                    return
                await self._do(batch)
                rest = _FIRST_REST
            except (StoreUnavailable, StoreFull) as error:
                self._advance = replace(self._advance, note=_FULL if isinstance(error, StoreFull) else _AWAY)
                log.warning("operation.waits", operation=self._id, error=str(error))
                await self._wait(rest)
                rest = min(rest * 2, _LONGEST_REST)

    @property
    def _stops(self) -> bool:
        return self._is_lost or self._is_told_to_end.is_set() or self._advance.seen >= self._total

    async def _settle_what_was_under_way(self) -> None:
        if names := self._advance.under_way:
            done = await self._work.done_of(names)
            self._advance = self._advance.and_then(done, 0, [])
            await self._say()

    async def _next(self) -> Batch | None:
        most = min(self._pace.stride, self._total - self._advance.seen)
        return await self._work.next(self._advance.position, most)

    async def _do(self, batch: Batch) -> None:
        await self._wait(self._pace.wait(len(batch.items)))
        if self._stops:
            return
        self._advance = replace(self._advance, under_way=batch.names)
        await self._say()
        if self._is_lost:
            return
        outcome = await self._act(batch)
        after = self._advance.and_then(outcome.done, outcome.skipped, outcome.failures)
        self._advance = replace(after, position=batch.position)
        await self._say()

    async def _act(self, batch: Batch) -> Outcome:
        try:
            return await self._work.act(batch)
        except (StoreUnavailable, StoreFull):
            raise
        except StoreRefused as error:
            log.warning("operation.refused", operation=self._id, jobs=len(batch.items), error=str(error))
            if len(batch.items) == 1:
                return Outcome(skipped=batch.gone, failures=self._work.failures(batch, _REFUSED))
            return await self._act_one_by_one(batch)

    async def _act_one_by_one(self, batch: Batch) -> Outcome:
        """One job that a store refuses must not stand in the way of the others."""
        done, skipped, failures = 0, batch.gone, list[ItemFailure]()
        for item, name in zip(batch.items, batch.names, strict=True):
            outcome = await self._act(Batch([item], [name], batch.position))
            done, skipped = done + outcome.done, skipped + outcome.skipped
            failures += outcome.failures
        return Outcome(done, skipped, failures)

    async def _end(self) -> None:
        """Say how it ended.  Those that were not met any more had gone before their turn."""
        state = OperationState.CANCELLED if self._is_told_to_end.is_set() else OperationState.DONE
        if self._advance.seen >= self._total:
            state = OperationState.DONE
        if state is OperationState.DONE:
            self._advance = self._advance.and_then(0, self._total - self._advance.seen, [])
        end = End(at_ms=await self._operations.now_ms(), state=state)
        noted = await self._operations.advance(self._id, self._owner, self._lease, self._advance, end)
        self.has_ended = noted is not Noted.LOST

    async def _beat(self) -> None:
        told = self._advance.seen
        while True:
            await asyncio.sleep(_SAY_SO_EVERY)
            with suppress(StoreError):  # the lease is long enough for some of them
                await self._say()
            if self._advance.seen != told:
                told = self._advance.seen
                self._works.tell(self._plan)

    async def _say(self) -> None:
        self._hear(await self._operations.advance(self._id, self._owner, self._lease, self._advance))

    def _hear(self, noted: Noted) -> None:
        if noted is Noted.LOST:
            self._is_lost = True
        elif noted is Noted.IS_TO_END:
            self._is_told_to_end.set()

    async def _wait(self, seconds: float) -> None:
        """Wait, unless it is told to end."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._is_told_to_end.wait()
