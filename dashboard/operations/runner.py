"""Runs operations: each in one process at a time, and in another one if that dies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog

from monarq.jobs.errors import StoreError, StoreRefused
from monarq.jobs.identity import new_job_id
from monarq.jobs.store.operations import End, Operations, OperationState

from .run import Run
from .works import Works

log = structlog.get_logger("monarq.dashboard")

#: Seconds between two looks for operations that nobody has.
LOOK_EVERY = 2.0
#: Operations that one process runs at once.
AT_ONCE = 4
#: An operation whose process is silent for so long is another's.
LEASE = timedelta(seconds=15)


class Runner:
    """Looks for operations that nobody has, and runs them.

    Args:
        operations: Where they are.
        works: How each is done, and who is told of it.
    """

    def __init__(self, operations: Operations, works: Works) -> None:
        self._operations = operations
        self._works = works
        self._owner = new_job_id()
        self._news = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self._runs: dict[str, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look now; and from now on, again and again."""
        self._news.set()
        if self._watch is None:
            self._watch = asyncio.create_task(self._look_again_and_again())

    async def close(self) -> None:
        """Let go of all that is under way: another process goes on with it, or this one when it is back."""
        if self._watch is not None:
            await _end([self._watch])
            self._watch = None
        await _end(list(self._runs.values()))

    async def _look_again_and_again(self) -> None:
        is_away = False
        while True:
            self._news.clear()
            try:
                await self._look()
                is_away = False
            except StoreError as error:
                if not is_away:  # once per outage
                    log.warning("operations.store_is_away", error=str(error))
                is_away = True
            # not `wait_for`, which can take a cancellation for news
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._news.wait()

    async def _look(self) -> None:
        for operation_id in await self._operations.open_ids():
            if len(self._runs) >= AT_ONCE:
                return
            if operation_id in self._runs:
                continue
            if await self._operations.take(operation_id, self._owner, LEASE):
                self._runs[operation_id] = asyncio.create_task(self._run(operation_id))

    async def _run(self, operation_id: str) -> None:
        try:
            operation = await self._operations.get(operation_id)
            if operation is None:
                return
            run = Run(self._operations, operation, self._works, self._owner, LEASE)
            await run.go()
            if run.has_ended:
                await self._record_end(operation_id)
        except StoreRefused as error:
            log.error("operation.refused", operation=operation_id, error=str(error))
            await self._give_up(operation_id, "the store refused it; see the log of the dashboard")
        except StoreError as error:  # the lease ends, and somebody takes it up again
            log.warning("operation.interrupted", operation=operation_id, error=str(error))
        except Exception as error:
            log.exception("operation.failed", operation=operation_id)
            await self._give_up(operation_id, f"a fault of ours: {type(error).__name__}; see the log")
        finally:
            del self._runs[operation_id]
            self._news.set()

    async def _give_up(self, operation_id: str, why: str) -> None:
        """End what would fail in the same way again."""
        with suppress(StoreError):
            end = End(at_ms=await self._operations.now_ms(), state=OperationState.FAILED, why=why)
            await self._operations.advance(operation_id, self._owner, LEASE, end=end)
            await self._record_end(operation_id)

    async def _record_end(self, operation_id: str) -> None:
        if (ended := await self._operations.get(operation_id)) is not None:
            self._works.tell(ended.plan)
            await self._works.record_end(ended)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
