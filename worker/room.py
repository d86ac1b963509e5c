"""Room for the jobs that need more than a slot: a thread, or a process."""

from __future__ import annotations

import asyncio
from datetime import timedelta

#: Seconds that a job waits here for its turn.  Then it goes back to the queue: other workers may be idle, and
#: its slot may serve a job that needs no room.
PATIENCE = 5.0
#: For how long it goes back.
NO_ROOM_DELAY = timedelta(seconds=5)


class Room:
    """So many jobs at a time; the others wait in line."""

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    async def enter(self) -> bool:
        """Wait for a place; False if there was none for a while."""
        if not self._places.locked():
            await self._places.acquire()  # at once
            return True
        try:
            async with asyncio.timeout(PATIENCE):
                await self._places.acquire()
        except TimeoutError:
            return False
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()
