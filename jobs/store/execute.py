"""Sending a request, with or without an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from .replies import ScriptMissing
from .verbs import Request

T = TypeVar("T")


class Transport(Protocol):
    """What carries commands to Redis and replies back: a `Link`, or fakeredis in tests."""

    async def call(self, *command: Any, timeout: float | None = None) -> Any:
        """The reply to one command; raises a `StoreError`."""
        ...  # pragma: no cover


async def execute(transport: Transport, request: Request[T]) -> T:
    """Run the script; the server learns it on the way if it does not know it (any more).

    Raises:
        StoreUnavailable: No reply; the script may have run.
        StoreRefused: The server answered with an error.
    """
    tail = (len(request.keys), *request.keys, *request.arguments)
    try:
        reply = await transport.call("EVALSHA", request.script.sha, *tail)
    except ScriptMissing:
        reply = await transport.call("EVAL", request.script.source, *tail)
    return request.read(reply)


def execute_sync(call: Callable[..., Any], request: Request[T]) -> T:
    """The same over a blocking `call`."""
    tail = (len(request.keys), *request.keys, *request.arguments)
    try:
        reply = call("EVALSHA", request.script.sha, *tail)
    except ScriptMissing:
        reply = call("EVAL", request.script.source, *tail)
    return request.read(reply)
