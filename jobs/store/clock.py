"""The only clock: the server's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from .execute import Transport


async def server_ms(transport: Transport) -> int:
    """What it says, ms since the epoch.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    return read_time(await transport.call("TIME"))


def read_time(reply: Sequence[Any]) -> int:
    """From the reply to `TIME`, ms since the epoch."""
    return int(reply[0]) * 1000 + int(reply[1]) // 1000


def moment_of(ms: float) -> datetime:
    """A point in time; one that no calendar has is the epoch."""
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)
