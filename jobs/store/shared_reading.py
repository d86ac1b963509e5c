"""One read serves all who ask meanwhile: twenty tabs and three scrapers cost what one costs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Generic, TypeVar

from ..errors import StoreError, StoreUnavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was read, and how old that is."""

    value: T
    #: `time.monotonic()` of it.
    read_at: float
    #: Why there is none that is newer; None if nobody has failed to read it.
    failure: StoreError | None = None

    @property
    def age(self) -> float:
        """Seconds."""
        return time.monotonic() - self.read_at


class SharedReading(Generic[T]):
    """Reads when it is asked, at most once in a while; when that fails, what was read last is given.

    Args:
        fresh: Seconds for which what was read, or that it could not be, serves whoever asks.
        jitter: A part of `fresh` by which that varies, so that several processes do not ask in step.
        patience: Seconds to wait for a new value while there is an old one.
        timeout: Seconds after which a read has failed.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[T]],
        *,
        fresh: float,
        jitter: float = 0.0,
        patience: float = 0.5,
        timeout: float = 2.0,
        random: Random | None = None,
    ) -> None:
        self._read = read
        self._fresh = fresh
        self._jitter = jitter
        self._patience = patience
        self._timeout = timeout
        self._random = random or Random()
        self._last: Reading[T] | None = None
        self._failure: StoreError | None = None
        self._fresh_until = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._amendments: list[Callable[[T], T]] = []

    async def get(self) -> Reading[T]:
        """What is known, not older than `fresh` unless it cannot be had.

        Raises:
            StoreError: Nothing was ever read, and it cannot be read now.
        """
        if time.monotonic() >= self._fresh_until:
            await self._renew()
        if self._last is None:
            raise self._failure or StoreUnavailable("no answer in time")
        return Reading(self._last.value, self._last.read_at, self._failure)

    def amend(self, change: Callable[[T], T]) -> None:
        """Let what is known be as somebody has just made it; a read that is under way may not know it yet."""
        if self._reading is not None:
            self._amendments.append(change)
        if self._last is not None:
            self._last = Reading(change(self._last.value), self._last.read_at)

    def expire(self) -> None:
        """Somebody knows that it has changed: who asks next reads."""
        self._fresh_until = 0.0

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _renew(self) -> None:
        if self._reading is None:
            # a task of its own: who asked first may go away, and others wait for the same
            self._reading = asyncio.create_task(self._read_once(), name="monarq-shared-reading")
        patience = None if self._last is None else self._patience
        await asyncio.wait([self._reading], timeout=patience)

    async def _read_once(self) -> None:
        try:
            async with asyncio.timeout(self._timeout):
                value = await self._read()
            for change in self._amendments:
                value = change(value)
            self._last, self._failure = Reading(value, time.monotonic()), None
        except StoreError as error:
            self._failure = error
        except TimeoutError:
            self._failure = StoreUnavailable(f"no answer within {self._timeout:g} s")
        finally:
            spread = 1 + self._random.uniform(-self._jitter, self._jitter)
            self._fresh_until = time.monotonic() + self._fresh * spread
            self._amendments.clear()
            self._reading = None
