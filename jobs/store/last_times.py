"""Hashes that say when something has happened last: name → ms since the epoch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..errors import StoreRefused
from .execute import Transport

#: What a clock tells; anybody may write to Redis.
_MS = re.compile(rb"\d{1,14}")


async def read_times(transport: Transport, key: str) -> dict[str, int]:
    """All that the hash says; nothing if something else lies there.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    try:
        flat = await transport.call("HGETALL", key)
    except StoreRefused:
        return {}
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {name.decode("utf-8", "replace"): int(ms) for name, ms in pairs if _MS.fullmatch(ms)}


async def write_times(transport: Transport, key: str, times: Mapping[str, int]) -> None:
    """Say when these have happened.

    Raises:
        StoreError: Redis did not answer, or something else lies there.
    """
    await transport.call("HSET", key, *(part for pair in times.items() for part in pair))


async def begin_times(transport: Transport, key: str, names: Iterable[str], ms: int) -> None:
    """Let those of which nothing is said begin with this time.

    Raises:
        StoreError: Redis did not answer, or something else lies there.
    """
    for name in names:
        await transport.call("HSETNX", key, name, ms)
