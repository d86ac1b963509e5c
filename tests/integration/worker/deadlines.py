"""Waiting in tests: for a condition, until a deadline; never for a time that is hoped to be enough."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

_LOOK_AGAIN = 0.005


class TooLate(AssertionError):
    """The condition did not come true in time."""


async def eventually(
    check: Callable[[], Any | Awaitable[Any]], *, within: float = 60.0, every: float = _LOOK_AGAIN
) -> Any:
    """The first truthy answer of `check`, a plain or an async function."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TooLate(f"not within {within:g} s: {inspect.getsource(check).strip()}; it said {answer!r}")
        await asyncio.sleep(every)


async def always(check: Callable[[], Any | Awaitable[Any]], *, during: float) -> None:
    """Fail as soon as `check` is falsy: for what must not happen in this time."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        answer = check()
        if inspect.isawaitable(answer):
            answer = await answer
        assert answer, inspect.getsource(check).strip()
        await asyncio.sleep(_LOOK_AGAIN)
