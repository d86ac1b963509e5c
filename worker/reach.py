"""Asking PostgreSQL for what must not keep jobs waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from monarq.jobs.errors import DatabaseUnavailable, StoreError

from .outage import Outage

log = structlog.get_logger("monarq.worker")

T = TypeVar("T")

#: Seconds that an answer may take, and that nothing is asked after one that did not come.
_PATIENCE = 1.0
_REST = 2.0


class Reach:
    """Waits a second at most, and does not ask again soon after an outage: who asks can do without."""

    def __init__(self, service: str) -> None:
        self._outage = Outage(service)
        self._rests_until = 0.0
        #: What was given up goes on until it notices; the loop itself keeps only a weak reference.
        self._given_up: set[asyncio.Task[None]] = set()

    async def ask(self, work: Callable[[], Awaitable[T]]) -> T:
        """The answer.

        Raises:
            DatabaseUnavailable: There is none; what was asked may happen all the same.
        """
        if time.monotonic() < self._rests_until:
            raise DatabaseUnavailable("PostgreSQL was away a moment ago")
        try:
            answer = await self._within_patience(work)
        except Exception as error:  # whatever it is, the jobs go on
            if not isinstance(error, StoreError):
                log.exception("worker.database_fault")
            self._rests_until = time.monotonic() + _REST
            self._outage.note(error)
            raise DatabaseUnavailable(str(error)) from error
        self._outage.over()
        return answer

    async def _within_patience(self, work: Callable[[], Awaitable[T]]) -> T:
        # not `wait_for`: that waits until what was cancelled has ended, which asks the server once more
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task}, timeout=_PATIENCE)
        finally:
            if not task.done():
                self._give_up(task)
        if not task.done():
            raise DatabaseUnavailable(f"PostgreSQL: no answer within {_PATIENCE:g} s")
        return task.result()

    def _give_up(self, task: asyncio.Future[T]) -> None:
        task.cancel()
        waiting = asyncio.ensure_future(_swallow(task))
        self._given_up.add(waiting)
        waiting.add_done_callback(self._given_up.discard)


async def _swallow(task: asyncio.Future[T]) -> None:
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # or the loop would complain that nobody has looked
