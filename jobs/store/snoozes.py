"""Dead letters that nobody wants to see for a while: those of a fingerprint, by queue and kind.

By queue and kind, since who may see some of a group only must not hide the others from others; and a bug that
spreads to another kind is news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from .clock import moment_of, server_ms
from .execute import Transport
from .keys import SNOOZED
from .letter_filter import as_ms
from .letter_groups import Cell

_BETWEEN = "="


@dataclass(frozen=True, slots=True)
class Snooze:
    """Until when, and who wanted it so."""

    until: datetime
    by: str
    why: str


class Snoozes:
    """The snoozes of all queues."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def all(self) -> Mapping[Cell, Snooze]:
        """Those that hold now.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        now_ms = await server_ms(self._transport)
        return {
            cell: Snooze(moment_of(told["until_ms"]), str(told.get("by", "")), str(told.get("why", "")))
            for cell, told in await self._read()
            if told["until_ms"] > now_ms
        }

    async def put(self, cells: Iterable[Cell], snooze: Snooze) -> None:
        """Let cells be snoozed; those that are already, anew."""
        told = to_json({"until_ms": as_ms(snooze.until), "by": snooze.by, "why": snooze.why})
        fields = [part for cell in cells for part in (_BETWEEN.join(cell), told)]
        await self._forget_those_that_are_over()
        if fields:
            await self._transport.call("HSET", SNOOZED, *fields)

    async def end(self, cells: Iterable[Cell]) -> int:
        """Let cells be seen again; how many were snoozed."""
        fields = [_BETWEEN.join(cell) for cell in cells]
        return int(await self._transport.call("HDEL", SNOOZED, *fields)) if fields else 0

    async def _forget_those_that_are_over(self) -> None:
        now_ms = await server_ms(self._transport)
        await self.end([cell for cell, told in await self._read() if told["until_ms"] <= now_ms])

    async def _read(self) -> list[tuple[Cell, dict[str, Any]]]:
        flat = await self._transport.call("HGETALL", SNOOZED)
        found = []
        for name, told in zip(flat[::2], flat[1::2], strict=True):
            fingerprint, _, rest = name.decode("utf-8", "replace").partition(_BETWEEN)
            queue, _, kind = rest.partition(_BETWEEN)
            try:
                document = from_json(told)
                document["until_ms"] = int(document["until_ms"])
            except (ValueError, TypeError, KeyError):  # it says nothing, so it hides nothing
                document = {"until_ms": 0}
            found.append(((fingerprint, queue, kind), document))
        return found
