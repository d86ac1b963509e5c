"""What machines ask of `monarq dashboard` at its own port: metrics, and whether it lives and is ready."""

from __future__ import annotations

import asyncio

from monarq.jobs.probes import Facts, liveness, readiness
from monarq.jobs.settings import DASHBOARD_METRICS_PORT, Settings
from monarq.jobs.side_port import SidePort, json_page

from .services.services import Services


class DashboardVitals:
    """Serves them.  Made in the event loop of the app."""

    def __init__(self, services: Services, settings: Settings) -> None:
        self._services = services
        self._loop = asyncio.get_running_loop()
        port = DASHBOARD_METRICS_PORT if settings.metrics_port is None else settings.metrics_port
        pages = {
            "/metrics": self._metrics,
            "/livez": json_page(lambda: liveness(self._loop)),
            "/readyz": json_page(self._is_ready),
            "/startupz": json_page(self._is_started),
        }
        self._side_port = SidePort(settings.metrics_host, port or None, pages)

    def begin(self) -> None:
        """Serve."""
        self._side_port.start()

    def end(self) -> None:
        """Serve no more."""
        self._side_port.stop()

    # --- the threads that serve

    def _metrics(self, accept: str) -> tuple[int, bytes, str]:
        return (200, *self._services.metrics.text(accept))

    def _is_ready(self) -> Facts:
        return readiness(self._loop, self._services.health.checks)

    def _is_started(self) -> Facts:
        if self._services.health.has_started:
            return True, {"started": True}
        started, facts = self._is_ready()
        return started, {"started": started, **facts}
