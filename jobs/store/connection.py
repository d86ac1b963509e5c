"""Our own thin client: commands go out in order, replies come back in order, over one socket.

Why not redis-py on this path: an awaited redis-py call costs the caller 95 µs of CPU and one socket each,
this one some 15 µs, and any number of callers share the socket (docs/adr/0002).  A caller that is cancelled
leaves its reply to be read and dropped in its turn, so that no reply can reach the wrong caller.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import hiredis

from ..errors import StoreRefused, StoreUnavailable
from .address import Address
from .replies import ScriptMissing, error_of, packed
from .sentinel import resolve


class Connection(asyncio.Protocol):
    """One socket.  When it breaks, all who wait get `StoreUnavailable`, and it is of no more use."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._on_push: Callable[[list[Any]], None] | None = None
        self._reader = hiredis.Reader()
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self.loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.closed = self.loop.create_future()
        self.client_id: int | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    def send(self, *command: Any) -> asyncio.Future[Any]:
        """Send one command; the future gives its reply or raises a `StoreError`."""
        future = self.loop.create_future()
        if self._transport is None:
            future.set_exception(self._lost(None))
        else:
            frame = packed(command)  # first: what cannot be sent must not wait for a reply
            self._waiting.append(future)
            self._transport.write(frame)
        return future

    def subscribe(self, channel: str, on_push: Callable[[list[Any]], None]) -> None:
        """From now on this is a subscription: whatever the server says goes to `on_push`."""
        self._on_push = on_push
        self.say("SUBSCRIBE", channel)

    def say(self, *command: Any) -> None:
        """Send what is answered, if at all, to `on_push`: on a subscription only."""
        if self._transport is not None:
            self._transport.write(hiredis.pack_command(command))

    def close(self) -> None:
        """Close the socket; who still waits gets `StoreUnavailable`."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._deliver(reply)
        except hiredis.HiredisError as error:
            self.close()
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc)

    # ---

    def _deliver(self, reply: Any) -> None:
        if self._on_push is not None:
            if isinstance(reply, list):
                self._on_push(reply)
            else:  # an error: the subscription is refused, by an ACL say
                self.close()
            return
        future = self._waiting.popleft()
        if future.done():
            return
        if isinstance(reply, hiredis.ReplyError):
            future.set_exception(error_of(reply))
        else:
            future.set_result(reply)

    def _fail(self, cause: BaseException | None) -> None:
        self._transport = None
        if not self.closed.done():
            self.closed.set_result(None)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(self._lost(cause))

    def _lost(self, cause: BaseException | None) -> StoreUnavailable:
        return StoreUnavailable(
            f"the connection to Redis at {self._address} broke ({cause or 'closed by the server'})"
        )


async def connect(address: Address) -> Connection:
    """Open a connection and say what is to be said on entering.

    Raises:
        StoreUnavailable: Nobody answers there.
        StoreRefused: The credentials are refused.
    """
    try:
        async with asyncio.timeout(address.connect_timeout):
            connection = await _open(await resolve(address))
            try:
                for command in address.greeting:
                    await connection.send(*command)
            except BaseException:  # refused, silent or cancelled: nobody else knows of this socket
                connection.close()
                raise
    except (OSError, TimeoutError) as error:
        detail = str(error) or "no answer in time"
        raise StoreUnavailable(f"cannot connect to Redis at {address}: {detail}") from error
    return connection


async def _open(address: Address) -> Connection:
    loop = asyncio.get_running_loop()

    def protocol() -> Connection:
        return Connection(address)

    if address.path:
        _, connection = await loop.create_unix_connection(protocol, address.path)
    else:
        _, connection = await loop.create_connection(protocol, address.host, address.port, ssl=address.tls)
    return connection


class Link:
    """A connection that comes back: opened on first use, and anew after it broke.

    One call at a time may wait longer than `reply_timeout` seconds (a blocking command says so); a server
    that is silent for longer than that is taken for gone, and the socket is dropped.
    """

    def __init__(self, address: Address, *, reply_timeout: float = 5.0) -> None:
        self.address = address
        self._reply_timeout = reply_timeout
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None

    async def call(self, *command: Any, timeout: float | None = None) -> Any:
        """The reply to one command.

        Args:
            command: Its words: str, bytes, int or float.
            timeout: Seconds to wait for the reply; the link's `reply_timeout` by default.

        Raises:
            StoreUnavailable: No reply; the command may have been carried out.
            StoreRefused: The server answered with an error.
        """
        connection = await self._open_connection()
        reply = connection.send(*command)
        watchdog = connection.loop.call_later(timeout or self._reply_timeout, connection.close)
        try:
            return await reply
        finally:
            watchdog.cancel()

    async def call_together(self, *commands: Sequence[Any], timeout: float) -> list[Any]:
        """The replies to commands that are sent at once; a `StoreError` stands in the place of a refused one.

        Args:
            timeout: Seconds to wait for the last reply.

        Raises:
            StoreUnavailable: Replies are missing; the commands may have been carried out.
        """
        connection = await self._open_connection()
        replies = [connection.send(*command) for command in commands]
        watchdog = connection.loop.call_later(timeout, connection.close)
        try:
            with suppress(StoreRefused, ScriptMissing):
                await replies[-1]  # they come in turn
            return [reply.exception() or reply.result() for reply in replies]
        finally:
            watchdog.cancel()
            for reply in replies:
                if not reply.cancel() and not reply.cancelled():
                    reply.exception()  # seen: it is what the last one has, too

    async def client_id(self) -> int:
        """What the server calls the connection; asked once for each.

        Raises:
            StoreError: As by `call`.
        """
        connection = await self._open_connection()
        if connection.client_id is None:
            connection.client_id = int(await self.call("CLIENT", "ID"))
        return connection.client_id

    def abandon(self) -> None:
        """Drop the socket at once, with whatever is under way on it.  A later call opens it anew."""
        if self._connection is not None:
            self._connection.close()

    async def close(self) -> None:
        """Close the socket.  A later call opens it anew."""
        if self._opening is not None:
            self._opening.cancel()
        if self._connection is not None:
            self._connection.close()
            await self._connection.closed
            self._connection = None

    async def _open_connection(self) -> Connection:
        connection = self._connection
        return connection if connection is not None and connection.is_open else await self._reopen()

    async def _reopen(self) -> Connection:
        # shared by all who call meanwhile, and shielded: one caller's cancellation must not cut others off
        if self._opening is None:
            self._opening = asyncio.create_task(connect(self.address))
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, opening: asyncio.Task[Connection]) -> None:
        self._opening = None
        if not opening.cancelled() and opening.exception() is None:
            self._connection = opening.result()
