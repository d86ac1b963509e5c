"""The end of the server, told to those who hold a request or a stream open: they end by themselves at once.

Everybody who waits is told by this and by nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Closing:
    """Made in the event loop that uses it."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._bells: set[asyncio.Event] = set()

    def begin(self) -> None:
        """No more waiting from now on."""
        self._begun.set()
        for bell in list(self._bells):
            bell.set()

    @property
    def has_begun(self) -> bool:
        """Whether who waits should answer now."""
        return self._begun.is_set()

    @contextmanager
    def rings(self, bell: asyncio.Event) -> Iterator[None]:
        """Ring what somebody waits for anyway, too, as long as this is held."""
        self._bells.add(bell)
        try:
            yield
        finally:
            self._bells.discard(bell)

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until the server ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._begun.wait()

    async def either(self, woken: asyncio.Future[None], timeout: float) -> None:
        """Wait until `woken` is done, the time is over, or the server ends; none of it raises anything."""
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait((woken, begun), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
