"""The end of the server, told to those who hold a request open: they answer at once, and are not cut off."""

from __future__ import annotations

import asyncio


class Closing:
    """Made in the event loop that uses it."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """No more waiting from now on."""
        self._begun.set()

    @property
    def has_begun(self) -> bool:
        """Whether who waits should answer now."""
        return self._begun.is_set()

    async def either(self, woken: asyncio.Future[None], timeout: float) -> None:
        """Wait until `woken` is done, the time is over, or the server ends; none of it raises anything."""
        begun = asyncio.ensure_future(self._begun.wait())
        try:
            await asyncio.wait((woken, begun), timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            begun.cancel()
