"""Operations: something that is to be done to many jobs, and how far it is.

An operation is planned first: what it would be done to is counted.  Once begun, it belongs to nobody: a
process takes it for some seconds, goes on with it, and says how far it has come (`operation_take.lua`,
`operation_advance.lua`).  If that process dies, another one goes on from there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Any, Self

from pydantic import TypeAdapter

from .clock import server_ms
from .execute import Transport, execute
from .keys import OPEN_OPERATIONS, OPERATION, OPERATION_ITEMS, OPERATIONS
from .request import Request, request
from .verbs import milliseconds

#: How long a plan may be begun, and how long an operation is kept after its end.
PLAN_KEPT = timedelta(hours=1)
KEPT = timedelta(days=30)
#: Operations that are listed.
MOST = 1_000
#: Failures that are told by name.
FAILURES_TOLD = 200
_AT_ONCE = 50
#: Items of one command.
_ITEMS_AT_ONCE = 1_000


class OperationState(StrEnum):
    """How far an operation is."""

    PLANNED = "planned"
    PENDING = "pending"  #: begun, and nobody has it yet
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"  #: it could not go on

    @property
    def has_ended(self) -> bool:
        return self in (OperationState.DONE, OperationState.CANCELLED, OperationState.FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done to what.  It never changes."""

    id: str
    action: str
    #: What the action needs beside the jobs: a new priority, say.
    options: dict[str, Any]
    filter: dict[str, Any]
    #: Nothing that came at this time or later is meant, ms.
    bound_ms: int
    planned_ms: int
    #: Who planned it: `subject`, `name` and what else the audit wants to know.
    by: dict[str, str]
    #: What they may do it to, as the dashboard writes it.
    scope: list[dict[str, Any]]
    #: How many it is, and how many are seen, but are not meant, by reason.
    total: int
    ineligible: dict[str, int]
    #: Some of them, for people.
    sample: list[dict[str, Any]]
    #: Where they are.
    queues: list[str]
    #: They are listed one by one: no filter names them again.
    is_listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """That it was begun."""

    at_ms: int
    #: Jobs per second; None: as fast as it goes.
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """That somebody wants it to end."""

    at_ms: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How it ended."""

    at_ms: int
    state: OperationState
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFailure:
    """A job to which it could not be done."""

    job_id: str
    queue: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """How far it has come."""

    done: int = 0
    #: Nothing was to be done: it was gone, or had ended, or somebody else had done it.
    skipped: int = 0
    failed: int = 0
    #: The first of those that failed.
    failures: list[ItemFailure] = field(default_factory=list)
    #: Where it goes on, as the work writes it.
    position: list[Any] = field(default_factory=list)
    #: Those to which it is being done: after a crash nobody knows of each whether it was.
    under_way: list[str] = field(default_factory=list)
    #: Why it waits.
    note: str = ""

    @property
    def seen(self) -> int:
        return self.done + self.skipped + self.failed

    def and_then(self, done: int, skipped: int, failures: Sequence[ItemFailure]) -> Self:
        """The same with some more."""
        return replace(
            self,
            done=self.done + done,
            skipped=self.skipped + skipped,
            failed=self.failed + len(failures),
            failures=[*self.failures, *failures][:FAILURES_TOLD],
            under_way=[],
            note="",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation."""

    plan: Plan
    start: Start | None
    stop: Stop | None
    advance: Advance
    end: End | None
    #: Somebody has it.
    is_taken: bool

    @property
    def state(self) -> OperationState:
        if self.end is not None:
            return self.end.state
        if self.start is None:
            return OperationState.PLANNED
        if self.stop is not None:
            return OperationState.CANCELLING
        return OperationState.RUNNING if self.is_taken else OperationState.PENDING


_PLAN, _START, _STOP, _ADVANCE, _END = (TypeAdapter[Any](kind) for kind in (Plan, Start, Stop, Advance, End))
_FIELDS = ("plan", "start", "cancel", "progress", "end", "owner")


class Noted(IntEnum):
    """What became of the word that an operation has come so far."""

    LOST = 0  #: another process has it, or it is over
    GOES_ON = 1
    IS_TO_END = 2  #: somebody wants it to be cancelled


def take_request(operation_id: str, owner: str, lease: timedelta) -> Request[int]:
    """Take an operation for a while: 1 it is taken, 0 another has it, -1 there is nothing to do."""
    key, lease_ms = OPERATION + operation_id, milliseconds(lease)
    return request("operation_take", int, operation=key, owner=owner, lease_ms=lease_ms)


def advance_request(
    operation_id: str, owner: str, lease: timedelta, advance: Advance | None = None, end: End | None = None
) -> Request[Noted]:
    """Say how far it has come, if it has come further, and how it ended, if it has."""
    return request(
        "operation_advance",
        Noted,
        operation=OPERATION + operation_id,
        owner=owner,
        lease_ms=milliseconds(lease),
        progress=b"" if advance is None else _ADVANCE.dump_json(advance),
        end=b"" if end is None else _END.dump_json(end),
        keep_ms=milliseconds(KEPT),
    )


class Operations:
    """All operations behind one connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def now_ms(self) -> int:
        """By the clock of Redis."""
        return await server_ms(self._transport)

    async def plan(self, plan: Plan, items: Sequence[str] = ()) -> None:
        """Write a plan down, for as long as it may be begun.

        Args:
            items: `<queue>=<id>` of those that no filter names.
        """
        key, listed = OPERATION + plan.id, OPERATION_ITEMS + plan.id
        await self._transport.call("HSET", key, "plan", _PLAN.dump_json(plan))
        await self._transport.call("PEXPIRE", key, milliseconds(PLAN_KEPT))
        for at in range(0, len(items), _ITEMS_AT_ONCE):
            await self._transport.call("RPUSH", listed, *items[at : at + _ITEMS_AT_ONCE])
        if items:
            await self._transport.call("PEXPIRE", listed, milliseconds(PLAN_KEPT))

    async def begin(self, plan: Plan, rate: float | None) -> bool:
        """Begin what was planned; whether nobody had.  Repeat it after a lost reply."""
        key, at_ms = OPERATION + plan.id, await self.now_ms()
        start = Start(at_ms=at_ms, rate=rate)
        is_new = await self._transport.call("HSETNX", key, "start", _START.dump_json(start))
        if not is_new and (known := await self.get(plan.id)) is not None and known.end is not None:
            return False
        await self._transport.call("PERSIST", key)
        await self._transport.call("PEXPIRE", OPERATION_ITEMS + plan.id, milliseconds(KEPT))
        await self._transport.call("ZADD", OPERATIONS, "NX", at_ms, plan.id)
        await self._transport.call("SADD", OPEN_OPERATIONS, plan.id)
        await self._transport.call("ZREMRANGEBYSCORE", OPERATIONS, "-inf", at_ms - milliseconds(KEPT))
        await self._transport.call("ZREMRANGEBYRANK", OPERATIONS, 0, -(MOST + 1))
        return bool(is_new)

    async def cancel(self, operation_id: str, by: str) -> None:
        """Ask for the end of an operation that was begun; who asked first has asked."""
        stop = Stop(at_ms=await self.now_ms(), by=by)
        await self._transport.call("HSETNX", OPERATION + operation_id, "cancel", _STOP.dump_json(stop))

    async def get(self, operation_id: str) -> Operation | None:
        """One operation, or None."""
        return _read(await self._transport.call("HMGET", OPERATION + operation_id, *_FIELDS))

    async def items(self, operation_id: str, first: int, count: int) -> Sequence[str]:
        """Some of those that are listed."""
        found = await self._transport.call("LRANGE", OPERATION_ITEMS + operation_id, first, first + count - 1)
        return [item.decode("utf-8", "replace") for item in found]

    async def newest(self) -> AsyncIterator[Operation]:
        """Those that were begun, the newest first."""
        ids = await self._transport.call("ZRANGE", OPERATIONS, 0, MOST - 1, "REV")
        for at in range(0, len(ids), _AT_ONCE):
            for operation_id in ids[at : at + _AT_ONCE]:
                if (found := await self.get(operation_id.decode())) is not None:
                    yield found

    async def open_ids(self) -> Sequence[str]:
        """Those that have been begun and have not ended."""
        return sorted(one.decode() for one in await self._transport.call("SMEMBERS", OPEN_OPERATIONS))

    async def take(self, operation_id: str, owner: str, lease: timedelta) -> bool:
        """Take one that nobody has; what is over is no longer told by `open_ids`."""
        code = await execute(self._transport, take_request(operation_id, owner, lease))
        if code < 0:
            await self._transport.call("SREM", OPEN_OPERATIONS, operation_id)
        return code > 0

    async def advance(
        self,
        operation_id: str,
        owner: str,
        lease: timedelta,
        advance: Advance | None = None,
        end: End | None = None,
    ) -> Noted:
        """Say how far it has come."""
        noted = await execute(self._transport, advance_request(operation_id, owner, lease, advance, end))
        if noted and end is not None:
            await self._transport.call("SREM", OPEN_OPERATIONS, operation_id)
        return noted


def _read(found: Sequence[bytes | None]) -> Operation | None:
    plan, start, stop, advance, end, owner = found
    if plan is None:
        return None
    return Operation(
        plan=_PLAN.validate_json(plan),
        start=None if start is None else _START.validate_json(start),
        stop=None if stop is None else _STOP.validate_json(stop),
        advance=Advance() if advance is None else _ADVANCE.validate_json(advance),
        end=None if end is None else _END.validate_json(end),
        is_taken=owner is not None,
    )
