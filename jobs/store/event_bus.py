"""Events between processes: one Pub/Sub channel of Redis, one message per batch.

Nothing is kept: who does not listen just then has missed it.  Both ends are bounded, so that neither a storm
of events nor a listener that is too slow can hurt who tells them.

    async with aclosing(listen(from_url("redis://…"))) as batches:
        async for batch in batches:
            for event in batch: ...
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any

import structlog
from pydantic_core import from_json, to_json

from ..errors import StoreError, StoreUnavailable
from ..events import Event
from .address import Address
from .connection import Connection, connect
from .execute import Transport
from .keys import EVENTS
from .outage import Outage

log = structlog.get_logger("monarq.store")

#: Events in one message, and bytes of it; what is larger is not read.
MOST_AT_ONCE = 200
LARGEST_MESSAGE = 1024 * 1024
#: Events that wait to be told while Redis is slow; of more, none is told.
MOST_WAITING = 2_000
#: Messages that wait for a listener who is slow.
_MOST_UNREAD = 200
#: Seconds between two signs of life on a subscription, and after which silence means that it is broken.
_PING_EVERY = 10.0
_SILENCE = 25.0
_VERSION = 1


class EventSender:
    """Tells events.  `add` never waits and never fails.

    Args:
        on_sent: Told after each message how many connections got it; 0 also if it could not be sent.
    """

    def __init__(self, transport: Transport, *, on_sent: Callable[[int], None] | None = None) -> None:
        #: Tells this teller's events from those of others.
        self.source = token_hex(4)
        self._transport = transport
        self._on_sent = on_sent
        self._number = 0
        self._waiting: deque[Event] = deque()
        self._sending: asyncio.Task[None] | None = None

    def numbered(self, event: Event) -> Event:
        """The event with an id, which no other one has."""
        return replace(event, id=self.new_id())

    def new_id(self) -> str:
        """The id of the next event."""
        self._number += 1
        return f"{self.source}-{self._number}"

    def add(self, event: Event) -> None:
        """Tell it, together with those of the same tick of the loop."""
        if len(self._waiting) >= MOST_WAITING:
            return
        self._waiting.append(event)
        if self._sending is None:
            self._sending = asyncio.create_task(self._send(), name="monarq-events")

    async def close(self, *, seconds: float = 1.0) -> None:
        """Tell the rest, if that takes no longer."""
        if self._sending is not None:
            await asyncio.wait({self._sending}, timeout=seconds)
        if self._sending is not None:
            self._sending.cancel()

    async def _send(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), MOST_AT_ONCE)
                heard_by = await self._publish([self._waiting.popleft() for _ in range(count)])
                if self._on_sent is not None:
                    self._on_sent(heard_by)
        finally:
            self._sending = None

    async def _publish(self, events: Sequence[Event]) -> int:
        try:
            return int(await self._transport.call("PUBLISH", EVENTS, pack(self.source, events)))
        except StoreError as error:
            # old news by the time that it is back
            self._waiting.clear()
            log.debug("store.events_untold", error=str(error))
            return 0


def pack(source: str, events: Iterable[Event]) -> bytes:
    """One message."""
    return to_json({"v": _VERSION, "from": source, "events": [event.encode() for event in events]})


def unpack(message: bytes) -> tuple[str, list[Event]]:
    """Whose message it is, and those of its events that can be read."""
    if len(message) > LARGEST_MESSAGE:
        return "", []
    try:
        document = from_json(message)
        source, told = str(document["from"]), document["events"][:MOST_AT_ONCE]
    except (ValueError, TypeError, KeyError):
        return "", []
    return source, [event for one in told if (event := Event.decode(one)) is not None]


async def listen(address: Address, *, besides: str = "") -> AsyncIterator[list[Event] | None]:
    """All events from now on, a list per message.  It goes on for ever, over broken connections.

    None says that it listens (again): what happened before is not known.

    Args:
        besides: Not those of this source.
    """
    outage = Outage("events")
    while True:
        try:
            async for message in _messages(address):
                outage.over()
                if message is None:
                    yield None
                    continue
                source, events = unpack(message)
                if events and source != besides:
                    yield events
        except StoreError as error:
            await outage.wait(error)


async def _messages(address: Address) -> AsyncIterator[bytes | None]:
    """What one subscription hears: None once it stands."""
    connection = await connect(address)
    unread: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_UNREAD)
    loop = asyncio.get_running_loop()
    heard_at = loop.time()

    def told(push: list[Any]) -> None:
        nonlocal heard_at
        heard_at = loop.time()
        if push[0] not in (b"message", b"subscribe"):
            return
        try:
            unread.put_nowait(push[2] if push[0] == b"message" else None)
        except asyncio.QueueFull:  # begin anew, and say so, rather than to go on with a hole
            connection.close()

    pinging = asyncio.create_task(_ping(connection, lambda: loop.time() - heard_at))
    connection.closed.add_done_callback(lambda _: _wake(unread))
    try:
        connection.subscribe(EVENTS, told)
        while True:
            message = await unread.get()
            if not connection.is_open:
                raise StoreUnavailable(f"the subscription to events at {address} broke")
            yield message
    finally:
        pinging.cancel()
        connection.close()


def _wake(unread: asyncio.Queue[bytes | None]) -> None:
    if unread.empty():
        unread.put_nowait(b"")


async def _ping(connection: Connection, silent_for: Callable[[], float]) -> None:
    while connection.is_open:
        await asyncio.sleep(_PING_EVERY)
        if silent_for() > _SILENCE:
            connection.close()
        connection.say("PING")
