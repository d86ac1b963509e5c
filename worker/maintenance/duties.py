"""Keeps the worker's duties going, side by side, until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

log = structlog.get_logger("monarq.worker")

#: Seconds before a duty that failed for an unforeseen reason is begun again.
_PAUSE = 5.0


class Duty(Protocol):
    """Something that a worker does now and then."""

    async def run(self) -> None:
        """Do it until cancelled, or until there is nothing to do."""
        ...  # pragma: no cover


def start(duties: Iterable[Duty]) -> list[asyncio.Task[None]]:
    """Begin all of them."""
    return [asyncio.create_task(_forever(duty), name=f"monarq-{type(duty).__name__}") for duty in duties]


async def stop(tasks: Iterable[asyncio.Task[None]]) -> None:
    """End all of them."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(duty: Duty) -> None:
    while True:
        try:
            await duty.run()
            return
        except Exception:  # one duty's fault must end neither the duty nor the worker
            log.exception("worker.duty_failed", duty=type(duty).__name__)
            await asyncio.sleep(_PAUSE)
