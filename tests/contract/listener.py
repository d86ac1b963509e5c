"""Hears what a script publishes."""

from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any


class Listener:
    """What was published on one channel."""

    def __init__(self, call: Callable[..., Awaitable[Any]], pubsub: Any, channel: str) -> None:
        self._call, self._pubsub, self._channel = call, pubsub, channel

    async def heard(self) -> list[str]:
        """All that was published since the last look: a mark of our own tells where it ends."""
        mark = token_hex(4)
        await self._call("PUBLISH", self._channel, mark)
        found: list[str] = []
        while True:
            message = await self._pubsub.get_message(ignore_subscribe_messages=True, timeout=5)
            if message is None:
                continue
            data = message["data"].decode()
            if data == mark:
                return found
            found.append(data)
