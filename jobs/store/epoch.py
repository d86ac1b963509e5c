"""By what a Redis is recognised that has lost its data, or went back: an epoch, and a beat that only grows.

PostgreSQL holds both, too, and the id of the server's process.  It is told of a beat only when Redis has it:
a Redis with an older one is not what it was.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from ..errors import StoreRefused
from .clock import read_time
from .execute import Transport
from .keys import EPOCH
from .request import Request, request

#: Numbers of attempts that each epoch has for itself, for the jobs that are restored when it begins.  None of
#: them comes twice, even if the Redis before has counted attempts that PostgreSQL was never told of.
NUMBERS_PER_EPOCH = 1_000_000

_MARK = re.compile(rb"(\d{1,15}):(rebuilding:)?(\d{1,15})")
_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)
#: Who rebuilds says so anew after each step.  One that was silent for so long is dead, or cannot go on.
_SILENCE = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of the Redis beside a database, as PostgreSQL knows it."""

    number: int
    #: The last beat that Redis is known to have had, ms of its clock; 0 for none.
    beat_ms: int
    #: The server's process; empty if nobody could tell.
    run_id: str


@dataclass(frozen=True, slots=True)
class Mark:
    """What a Redis says of itself."""

    #: As it lies there; empty for nothing.
    text: bytes
    #: None if there is none that can be read.
    epoch: int | None = None
    #: Of its last beat, or of the last step of who rebuilds it.
    at_ms: int = 0
    is_rebuilding: bool = False
    #: The server's process; empty if it does not tell.
    run_id: str = ""
    now_ms: int = 0

    @property
    def is_being_rebuilt(self) -> bool:
        """Somebody is at it, and alive."""
        return self.is_rebuilding and self.now_ms - self.at_ms < _SILENCE / timedelta(milliseconds=1)


async def read_mark(transport: Transport) -> Mark:
    """What it says now.

    Raises:
        StoreUnavailable: It did not answer.
    """
    text, run_id, time = await asyncio.gather(
        transport.call("GET", EPOCH), _run_id(transport), transport.call("TIME")
    )
    return _mark(text or b"", run_id, read_time(time))


async def _run_id(transport: Transport) -> str:
    try:
        found = _RUN_ID.search(await transport.call("INFO", "server"))
    except StoreRefused:  # an ACL may forbid to look
        return ""
    return found[1].decode() if found else ""


def _mark(text: bytes, run_id: str, now_ms: int) -> Mark:
    found = _MARK.fullmatch(text)
    if found is None:
        return Mark(text, run_id=run_id, now_ms=now_ms)
    return Mark(text, int(found[1]), int(found[3]), found[2] is not None, run_id, now_ms)


def beat(seen: Mark, epoch: int, phase: Literal["beating", "rebuilding"] = "beating") -> Request[Mark | None]:
    """Let a Redis say that it is of this epoch; None if it says something else by now than what was seen."""

    def read(reply: Any) -> Mark | None:
        return None if reply is None else _mark(reply, seen.run_id, seen.now_ms)

    return request("beat", read, epoch=EPOCH, seen=seen.text, number=epoch, phase=phase)


def loss_of(mark: Mark, known: Epoch | None) -> str | None:
    """Why this Redis may lack jobs; None if it is the one that PostgreSQL knows."""
    if known is None:
        return "PostgreSQL has not seen this Redis before"
    if mark.epoch is None:
        return "it says nothing of its epoch: it was flushed, or has started empty"
    if mark.epoch != known.number:
        return f"it is of epoch {mark.epoch}, but this is epoch {known.number}: it was set back, or replaced"
    if mark.is_rebuilding:
        return "somebody has begun to restore its jobs, and has not come to an end"
    if mark.at_ms < known.beat_ms:
        return f"it went back by {(known.beat_ms - mark.at_ms) / 1000:.1f} s"
    if mark.run_id and known.run_id and mark.run_id != known.run_id:
        return "it is another process than before: it has restarted, or a replica has taken over"
    return None
