"""What every duty of a worker is, and how it is kept going."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

log = structlog.get_logger("monarq.worker")

#: Seconds before a duty that failed for an unforeseen reason is begun again.
_PAUSE = 5.0


class Duty(Protocol):
    """Something that a worker does besides running jobs."""

    async def run(self) -> None:
        """Do it until cancelled, or until there is nothing more to do."""
        ...  # pragma: no cover


async def forever(duty: Duty) -> None:
    """Run a duty, and begin again when it fails: one duty's fault must end neither it nor the worker."""
    while True:
        try:
            await duty.run()
            return
        except Exception:
            log.exception("worker.duty_failed", duty=type(duty).__name__)
            await asyncio.sleep(_PAUSE)
