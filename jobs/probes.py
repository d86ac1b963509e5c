"""How a probe, which comes in by a thread, asks an event loop whether all is well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from .errors import StoreError

#: Whether all is well, and what there is to say.
Facts = tuple[bool, Mapping[str, object]]
Checks = Mapping[str, str]

#: Seconds for one look at the stores, and for an answer of the loop.
PATIENCE = 3.0


def readiness(loop: asyncio.AbstractEventLoop, look: Callable[[], Coroutine[Any, Any, Checks]]) -> Facts:
    """Let the loop look; ready if each check is `ok`.  For threads that are not the loop's."""
    asked = asyncio.run_coroutine_threadsafe(look(), loop)
    try:
        checks = asked.result(PATIENCE)
    except TimeoutError:
        asked.cancel()
        checks = {"loop": f"it does not answer within {PATIENCE:g} s"}
    ready = all(found == "ok" for found in checks.values())
    return ready, {"ready": ready, "checks": checks}


def liveness(loop: asyncio.AbstractEventLoop) -> Facts:
    """Whether the loop answers; no look at the stores, which a restart would not bring back."""
    answered = threading.Event()
    with suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(answered.set)
    alive = answered.wait(PATIENCE)
    return alive, {"alive": alive}


def not_ready(what: str, why: str) -> Facts:
    """Nothing needs to be asked."""
    return False, {"ready": False, "checks": {what: why}}


async def checked(look: Awaitable[object]) -> str:
    """`ok`, or the code of what went wrong."""
    try:
        await look
    except StoreError as error:
        return error.code
    return "ok"
