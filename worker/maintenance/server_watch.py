"""Looks now and then at what could silently lose jobs: somebody may change the settings of the server."""

from __future__ import annotations

import asyncio

import structlog

from monarq.jobs.errors import ConfigError, StoreError, StoreRefused
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.posture import Finding, Level, examine

from ..outage import Outage

log = structlog.get_logger("monarq.worker")

EVERY_SECONDS = 300.0


class ServerWatch:
    """Examines the server, and logs what would lose jobs."""

    def __init__(self, link: Transport) -> None:
        self._link = link
        self._outage = Outage("server watch")
        #: What the last look found wanting.
        self.refused: list[Finding] = []

    async def run(self) -> None:
        """Examine now and then, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self.look()
            except StoreError as error:
                self._outage.note(error)

    async def refuse_unfit(self) -> None:
        """Examine before the first job.

        Raises:
            ConfigError: The server would lose jobs.
        """
        try:
            await self.look()
        except StoreRefused as error:  # an ACL may forbid to look; that is no reason not to work
            log.warning("worker.server_not_examined", error=str(error))
        if self.refused:
            raise ConfigError(
                [f"{finding.check}: {finding.found}; {finding.mend}" for finding in self.refused]
            )

    async def look(self) -> None:
        """Examine once, and log what is refused."""
        self.refused = [found for found in await examine(self._link) if found.level is Level.REFUSED]
        for finding in self.refused:
            log.error("worker.server_unfit", check=finding.check, found=finding.found, mend=finding.mend)
