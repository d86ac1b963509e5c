"""Is what the dashboard stands on there?"""

from __future__ import annotations

from collections.abc import Mapping

from monarq.jobs.probes import look_at
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.shared_reading import SharedReading

from ..directory.directory import Directory

#: Seconds: anybody may ask, so that an answer serves all for so long.
_FRESH = 1.0
#: And no answer is older: each look ends by itself within this.
_PATIENCE = 3.0


class HealthService:
    """Asks the stores.

    Args:
        directory: That in PostgreSQL, if there is one.
    """

    def __init__(self, transport: Transport, directory: Directory | None) -> None:
        self._transport = transport
        self._directory = directory
        self._shared = SharedReading(self._ask, fresh=_FRESH, patience=_PATIENCE, timeout=_PATIENCE)
        #: All of them have answered once.
        self.has_started = False

    async def checks(self) -> Mapping[str, str]:
        """`ok` for each store that answers, else a code and no more: anybody may ask."""
        return (await self._shared.get()).value

    async def _ask(self) -> Mapping[str, str]:
        ping = self._transport.call("PING")
        if self._directory is None:
            found = await look_at(redis=ping)
        else:
            found = await look_at(redis=ping, postgres=self._directory.users(after="", limit=1))
        self.has_started = self.has_started or all(one == "ok" for one in found.values())
        return found
