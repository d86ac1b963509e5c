"""`WS /v1/events`: events for apps, as they happen; `/events`: what has changed of a page, for pages.

A WebSocket that is refused gets the same answer as any other request.  One that ends says why:

    1012  the server stops: connect again          4403  the caller may not listen any more
    1013  a store is away: try again later         4429  more has happened than was read
    4401  the login, or the token, holds no more
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..access.patterns import Pattern
from ..access.permissions import Permission
from ..errors import InvalidParameter, UnknownParameter
from ..services.events import StreamEnded, Wanted, WhyEnded
from .guarded import Guarded, TheCaller, TheServices, admit, needs, shown_by, the_services

router = APIRouter(route_class=Guarded, tags=["events"])

_CODES: Mapping[WhyEnded, int] = {
    WhyEnded.STOPPING: 1012,
    WhyEnded.STORE_AWAY: 1013,
    WhyEnded.LOGGED_OUT: 4401,
    WhyEnded.NOT_PERMITTED: 4403,
    WhyEnded.TOO_SLOW: 4429,
}
#: Seconds that a listener may take to read one event.
_PATIENCE = 10.0
#: ms until a browser comes back.
_RETRY_MS = 3_000
_MOST_PATTERNS = 50
_LONGEST_MARK = 100
_PATTERNS = TypeAdapter(list[Pattern])
_KNOWN = ("queue", "kind", "type", "since")

Topic = Annotated[str, Query(max_length=250)]


@router.get("/events", openapi_extra=needs(None), include_in_schema=False)
async def follow_topics(
    request: Request,
    caller: TheCaller,
    services: TheServices,
    topic: Annotated[list[Topic], Query(min_length=1, max_length=_MOST_PATTERNS)],
    since: Annotated[str | None, Query(max_length=_LONGEST_MARK)] = None,
) -> StreamingResponse:
    """Which of a page's topics have changed, as server-sent events: `{"topic": "queues", "version": 7}`."""
    since = request.headers.get("last-event-id", "")[:_LONGEST_MARK] or since or None
    changes = services.events.topics(caller, shown_by(request), topic, since)
    # the first one here, so that who cannot be served is told so by the status
    first = await anext(changes)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(_told(first, changes), media_type="text/event-stream", headers=headers)


async def _told(
    first: tuple[str, list[tuple[str, int]]], changes: AsyncIterator[tuple[str, list[tuple[str, int]]]]
) -> AsyncIterator[bytes]:
    async with aclosing(changes):  # type: ignore[type-var]
        yield f"retry: {_RETRY_MS}\n".encode() + _frames(*first)
        try:
            async for mark, changed in changes:
                yield _frames(mark, changed)
        except StreamEnded as end:
            yield b"event: end\ndata: " + to_json({"why": end.why}) + b"\n\n"


def _frames(mark: str, changed: list[tuple[str, int]]) -> bytes:
    if not changed:
        return f"id: {mark}\n: here\n\n".encode()
    told = (to_json({"topic": topic, "version": version}) for topic, version in changed)
    return b"".join(f"id: {mark}\ndata: ".encode() + data + b"\n\n" for data in told)


async def follow_events(socket: WebSocket) -> None:
    """Events as JSON texts, one each; the first says that the stream is open."""
    caller = await admit(socket, Permission.JOBS_READ)
    wanted, since = _wanted(socket), socket.query_params.get("since")
    since = (since or socket.headers.get("last-event-id") or "")[:_LONGEST_MARK] or None
    events = the_services(socket).events.events(caller, shown_by(socket), wanted, since)
    async with aclosing(events):  # type: ignore[type-var]
        first = await anext(events)
        await socket.accept()
        tasks = [
            asyncio.create_task(_until_it_leaves(socket)),
            asyncio.create_task(_tell(socket, first, events)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _tell(socket: WebSocket, first: dict[str, Any], events: AsyncIterator[dict[str, Any]]) -> None:
    why = WhyEnded.STOPPING
    try:
        await _send(socket, first)
        async for event in events:
            await _send(socket, event)
    except StreamEnded as end:
        why = end.why
    except TimeoutError:
        why = WhyEnded.TOO_SLOW
    except (WebSocketDisconnect, RuntimeError, OSError):  # it has left while something was sent
        return
    with suppress(TimeoutError):  # who reads nothing hears no farewell either
        async with asyncio.timeout(_PATIENCE):
            await socket.close(_CODES[why], why)


async def _send(socket: WebSocket, event: dict[str, Any]) -> None:
    async with asyncio.timeout(_PATIENCE):
        await socket.send_text(to_json(event).decode())


async def _until_it_leaves(socket: WebSocket) -> None:
    """Nothing is wanted of it; what it says is not looked at."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _wanted(socket: WebSocket) -> Wanted:
    if not socket.query_params.keys() <= set(_KNOWN):
        raise UnknownParameter(list(_KNOWN))
    return Wanted(*(_patterns(socket, name) for name in ("queue", "kind", "type")))


def _patterns(socket: WebSocket, name: str) -> tuple[str, ...]:
    given = socket.query_params.getlist(name)
    try:
        return tuple(_PATTERNS.validate_python(given[: _MOST_PATTERNS + 1]))
    except ValidationError:
        raise InvalidParameter(name, "a pattern is a name in which * stands for any characters") from None


#: Closed like all others: `admit` stands at its beginning.
SOCKET = WebSocketRoute("/v1/events", follow_events)
router.routes.append(SOCKET)
