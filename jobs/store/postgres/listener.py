"""Hears what is announced on a channel of PostgreSQL, over a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg

from ...settings import Settings
from .faults import told_in_our_words
from .pool import connection_options
from .statements import statement

#: A connection that says nothing may be gone without a word (a firewall, a machine that lost power): it is
#: asked after so many seconds.
_ASK_SECONDS = 15.0


class Listener:
    """Tells of announcements.

    Args:
        url: Of the server itself: PgBouncer's transaction mode cannot carry this.
        began: Called when it begins to listen: what was announced before may have been missed.
        heard: Called for every announcement.
    """

    def __init__(
        self,
        url: str,
        settings: Settings,
        channel: str,
        *,
        began: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        self._url = url
        self._settings = settings
        self._channel = channel
        self._began = began
        self._heard = heard

    async def listen(self) -> None:
        """Listen until cancelled.

        Raises:
            DatabaseUnavailable: The connection could not be made, or has broken.
            DatabaseRefused: The server does not let us listen.
        """
        with told_in_our_words():
            connection = await asyncpg.connect(self._url, **connection_options(self._settings))
            try:
                lost = asyncio.Event()
                connection.add_termination_listener(lambda _: lost.set())
                await connection.add_listener(self._channel, lambda *_: self._heard())
                self._began()
                while not await _is_set(lost):
                    await connection.fetchval(statement("still_there"))
                raise ConnectionResetError("the connection that listens has broken")
            finally:
                connection.terminate()


async def _is_set(lost: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(_ASK_SECONDS):
            return await lost.wait()
    except TimeoutError:
        return False
