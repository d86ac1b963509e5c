"""Searches that somebody keeps under a name: addresses of the list of jobs, per caller, in Redis."""

from __future__ import annotations

from collections.abc import Mapping

from monarq.jobs.errors import StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import VIEWS

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..auth.secrets import name_of
from ..errors import InvalidRequest

MOST = 50
LONGEST_NAME, LONGEST_QUERY = 60, 2_500


class ViewService:
    """The kept searches of a caller.  What they find is looked for with each of them anew."""

    def __init__(self, transport: Transport, guard: Guard) -> None:
        self._transport = transport
        self._guard = guard

    async def list(self, caller: Caller) -> Mapping[str, str]:
        """The queries of the list, by their names; none while Redis is away."""
        key = await self._key(caller)
        try:
            flat = await self._transport.call("HGETALL", key)
        except StoreError:
            return {}
        texts = [part.decode("utf-8", "replace") for part in flat]
        return dict(sorted(zip(texts[::2], texts[1::2], strict=True), key=lambda one: one[0].lower()))

    async def keep(self, caller: Caller, name: str, query: str) -> None:
        """Keep one; under a name that there is, instead of it.

        Raises:
            InvalidRequest: There are too many.
        """
        key = await self._key(caller)
        there = await self._transport.call("HEXISTS", key, name)
        if not there and await self._transport.call("HLEN", key) >= MOST:
            raise InvalidRequest({"#/name": f"{MOST} views at most; forget one first"})
        await self._transport.call("HSET", key, name, query)

    async def forget(self, caller: Caller, name: str) -> None:
        """Forget one."""
        await self._transport.call("HDEL", await self._key(caller), name)

    async def _key(self, caller: Caller) -> str:
        await self._guard.scope(caller, Permission.JOBS_READ)
        return VIEWS + name_of(caller.subject)
