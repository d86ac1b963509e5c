"""What machines ask of a relay at its own port: its metrics, and whether it lives, has started, is ready."""

from __future__ import annotations

import asyncio

from monarq.jobs.metrics import render
from monarq.jobs.probes import Checks, Facts, liveness, look_at, not_ready, readiness
from monarq.jobs.settings import RELAY_METRICS_PORT, Settings
from monarq.jobs.side_port import SidePort, json_page
from monarq.jobs.store.connection import Link
from monarq.jobs.store.exporter import Exporter
from monarq.jobs.store.postgres.database import Database

from .metrics import RelayCollector
from .relay import Relay


class RelayVitals:
    """Serves them, from the event loop's start to its end."""

    def __init__(self, relay: Relay, link: Link, database: Database, settings: Settings) -> None:
        self._relay = relay
        self._link = link
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._exporter = Exporter(link.address, settings)
        port = RELAY_METRICS_PORT if settings.metrics_port is None else settings.metrics_port
        pages = {
            "/metrics": self._metrics,
            "/livez": json_page(lambda: liveness(self._loop)),
            "/readyz": json_page(self._is_ready),
            "/startupz": json_page(lambda: (relay.has_looked, {"started": relay.has_looked})),
        }
        self._side_port = SidePort(settings.metrics_host, port or None, pages)

    @property
    def port(self) -> int | None:
        """Where it listens; None if it does not."""
        return self._side_port.port

    def begin(self) -> None:
        """Serve."""
        self._side_port.start()

    def end(self) -> None:
        """Serve no more."""
        self._side_port.stop()
        self._exporter.close()

    # --- the threads that serve

    def _metrics(self, accept: str) -> tuple[int, bytes, str]:
        return (200, *render([RelayCollector(self._relay), self._exporter], accept))

    def _is_ready(self) -> Facts:
        if self._relay.is_stopping:
            return not_ready("relay", "it stops")
        return readiness(self._loop, self._look)

    # --- the event loop

    async def _look(self) -> Checks:
        return await look_at(redis=self._link.call("PING"), postgres=self._database.check())
