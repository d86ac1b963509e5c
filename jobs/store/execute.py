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
    try:
        reply = await transport.call(*evalsha(request))
    except ScriptMissing:
        reply = await transport.call(*_eval(request))
    return request.read(reply)


def execute_sync(call: Callable[..., Any], request: Request[T]) -> T:
    """The same over a blocking `call`."""
    try:
        reply = call(*evalsha(request))
    except ScriptMissing:
        reply = call(*_eval(request))
    return request.read(reply)


def evalsha(request: Request[Any]) -> tuple[Any, ...]:
    """The command of a request, for a server that knows the script."""
    return ("EVALSHA", request.script.sha, len(request.keys), *request.keys, *request.arguments)


def _eval(request: Request[Any]) -> tuple[Any, ...]:
    return ("EVAL", request.script.source, len(request.keys), *request.keys, *request.arguments)
