"""How a probe, which comes in by a thread, asks an event loop whether all is well."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from .errors import MonarqError

#: Whether all is well, and what there is to say.
Facts = tuple[bool, Mapping[str, object]]
Checks = Mapping[str, str]

#: Seconds for an answer of the loop; less for one of a store, so that it is known which of them is silent.
_PATIENCE = 3.0
_STORE_PATIENCE = 2.0


def readiness(loop: asyncio.AbstractEventLoop, look: Callable[[], Coroutine[Any, Any, Checks]]) -> Facts:
    """Let the loop look; ready if each check is `ok`.  For threads that are not the loop's."""
    asked = asyncio.run_coroutine_threadsafe(look(), loop)
    try:
        checks = asked.result(_PATIENCE)
    except TimeoutError:
        asked.cancel()
        checks = {"loop": f"it does not answer within {_PATIENCE:g} s"}
    ready = all(found == "ok" for found in checks.values())
    return ready, {"ready": ready, "checks": checks}


def liveness(loop: asyncio.AbstractEventLoop) -> Facts:
    """Whether the loop answers; no look at the stores, which a restart would not bring back."""
    answered = threading.Event()
    with suppress(RuntimeError):  # it is closed
        loop.call_soon_threadsafe(answered.set)
    alive = answered.wait(_PATIENCE)
    return alive, {"alive": alive}


def not_ready(what: str, why: str) -> Facts:
    """Nothing needs to be asked."""
    return False, {"ready": False, "checks": {what: why}}


async def look_at(**stores: Awaitable[object]) -> Checks:
    """Look at all of these at once: for each `ok`, or the code of what went wrong."""
    found = await asyncio.gather(*map(_checked, stores.values()))
    return dict(zip(stores, found, strict=True))


async def _checked(look: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(_STORE_PATIENCE):
            await look
    except MonarqError as error:
        return error.code
    except TimeoutError:
        return "no_answer"
    return "ok"
