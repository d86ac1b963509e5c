"""Streams of an app, without a socket in between: what a server would hear, message by message."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from pydantic_core import from_json

from monarq.dashboard.app import Front

HOST = "localhost:8080"


class Wire:
    """One connection to an app, until it is left."""

    def __init__(self, scope: dict[str, Any]) -> None:
        self.scope = scope
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._text = ""
        #: Set: whatever is sent to the client is stuck from now on.
        self.is_stuck = False
        #: The app has done with it.
        self.is_over = asyncio.Event()

    def say(self, message: dict[str, Any]) -> None:
        self._said.put_nowait(message)

    async def receive(self) -> dict[str, Any]:
        return await self._said.get()

    async def send(self, message: Any) -> None:
        if self.is_stuck:
            await asyncio.Event().wait()
        self.heard.put_nowait(message)

    async def next(self, within: float = 60.0) -> dict[str, Any]:
        async with asyncio.timeout(within):
            return await self.heard.get()

    async def event(self, within: float = 60.0) -> dict[str, Any]:
        """The next event of a WebSocket."""
        message = await self.next(within)
        assert message["type"] == "websocket.send", message
        return dict(from_json(message["text"]))

    async def frame(self, within: float = 60.0) -> dict[str, Any]:
        """The next server-sent event, as its fields; `data` is read."""
        while "\n\n" not in self._text:
            self._text += (await self.next(within))["body"].decode()
        frame, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in frame.split("\n"))
        return fields | ({"data": from_json(fields["data"])} if "data" in fields else {})


@asynccontextmanager
async def connected(app: Front, scope: dict[str, Any]) -> AsyncIterator[Wire]:
    """A connection with nothing said yet."""
    wire = Wire(scope)
    task = asyncio.create_task(app(scope, wire.receive, wire.send))
    task.add_done_callback(lambda _: wire.is_over.set())
    try:
        yield wire
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def scope_of(kind: str, path: str, headers: dict[str, str], query: Any = ()) -> dict[str, Any]:
    """As a server makes it."""
    return {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query, doseq=True).encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in ({"host": HOST} | headers).items()
        ],
        "client": ("127.0.0.1", 1234),
        "server": ("127.0.0.1", 8080),
        "extensions": {"websocket.http.response": {}} if kind == "websocket" else {},
        **({"subprotocols": []} if kind == "websocket" else {"method": "GET"}),
    }


@asynccontextmanager
async def socket(app: Front, *, query: Any = (), **headers: str) -> AsyncIterator[Wire]:
    """A WebSocket to `/v1/events`; `_` in the name of a header stands for `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connected(app, scope_of("websocket", "/v1/events", sent, query)) as wire:
        wire.say({"type": "websocket.connect"})
        yield wire


@asynccontextmanager
async def listening(app: Front, *, query: Any = (), **headers: str) -> AsyncIterator[Wire]:
    """One that is open."""
    async with socket(app, query=query, **headers) as wire:
        accepted = await wire.next()
        assert accepted["type"] == "websocket.accept", accepted
        assert (await wire.event())["type"] == "stream.open"
        yield wire


@asynccontextmanager
async def following(app: Front, *topics: str, **headers: str) -> AsyncIterator[Wire]:
    """A page's stream that has begun; its first frame is yet to be read."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with connected(app, scope_of("http", "/events", sent, [("topic", topics)])) as wire:
        wire.say({"type": "http.request", "body": b"", "more_body": False})
        begun = await wire.next()
        assert begun["status"] == 200, (begun, await wire.next())
        yield wire
