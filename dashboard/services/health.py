"""Is what the dashboard stands on there?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping

from monarq.jobs.errors import MonarqError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.shared_reading import SharedReading

from ..directory.directory import Directory

#: Seconds: a probe wants its answer now; and anybody may ask, so that an answer serves all for so long.
_PATIENCE = 2.0
_FRESH = 1.0


class HealthService:
    """Asks the stores.

    Args:
        directory: That in PostgreSQL, if there is one.
    """

    def __init__(self, transport: Transport, directory: Directory | None) -> None:
        self._transport = transport
        self._directory = directory
        # nobody is told what was: each store has its answer, or has given none, before this gives up
        self._shared = SharedReading(self._ask, fresh=_FRESH, patience=2 * _PATIENCE, timeout=2 * _PATIENCE)
        #: All of them have answered once.
        self.has_started = False

    async def checks(self) -> Mapping[str, str]:
        """`ok` for each store that answers, else a code and no more: anybody may ask."""
        return (await self._shared.get()).value

    async def _ask(self) -> Mapping[str, str]:
        asked: dict[str, Awaitable[str]] = {"redis": _checked(self._ping())}
        if self._directory is not None:
            asked["postgres"] = _checked(self._look_for_tables(self._directory))
        found = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        self.has_started = self.has_started or all(one == "ok" for one in found.values())
        return found

    async def _ping(self) -> None:
        await self._transport.call("PING")

    async def _look_for_tables(self, directory: Directory) -> None:
        await directory.users(after="", limit=1)


async def _checked(check: Awaitable[None]) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check
    except MonarqError as error:
        return error.code
    except TimeoutError:
        return "no_answer"
    return "ok"
