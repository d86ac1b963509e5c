"""Which workers live, by what they report of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from .execute import Transport
from .keys import WORKER

_SCANNED_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryReport:
    """How far a worker is with the history of the jobs that it has ended."""

    #: Jobs that are not written yet, and for how long the oldest has not been.
    pending: int
    lag_ms: int
    written: int
    #: Jobs that are not in the history and will not be: there was no room for them, or they cannot be stored.
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker's own report; it ends by itself some 50 s after the last one."""

    worker: str
    host: str
    pid: int
    #: The queues that it serves, with their weights (0: strict order).
    queues: dict[str, int]
    kinds: list[str]
    #: Per kind: failures until a job of it is a dead letter.
    max_attempts: dict[str, int]
    #: How long a job waits until it counts as of the next higher priority.
    ageing_ms: int | None
    slots: int
    busy: int
    #: It was told to stop: it finishes what runs, and claims no more.
    stopping: bool
    #: None if it writes none.
    history: HistoryReport | None = None

    def serves(self, queue: str) -> bool:
        """Whether it claims jobs of this queue."""
        return queue in self.queues and not self.stopping


async def live_workers(transport: Transport) -> list[LiveWorker]:
    """All that have reported lately, sorted by name.  Reports that cannot be read are left out.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    keys: set[bytes] = set()
    cursor: bytes | int = 0
    while True:
        cursor, page = await transport.call("SCAN", cursor, "MATCH", f"{WORKER}*", "COUNT", _SCANNED_AT_ONCE)
        keys.update(page)
        if int(cursor) == 0:
            break
    reports = await transport.call("MGET", *sorted(keys)) if keys else []
    return [worker for report in reports if (worker := _read(report)) is not None]


def _read(report: bytes | None) -> LiveWorker | None:
    try:
        told: dict[str, Any] = from_json(report or b"")
        return LiveWorker(
            worker=str(told["worker"]),
            host=str(told["host"]),
            pid=int(told["pid"]),
            queues={str(name): int(weight) for name, weight in told["queues"].items()},
            kinds=[str(kind) for kind in told["kinds"]],
            max_attempts={str(kind): int(most) for kind, most in told.get("max_attempts", {}).items()},
            ageing_ms=told.get("ageing_ms"),
            slots=int(told["slots"]),
            busy=int(told["busy"]),
            stopping=bool(told["stopping"]),
            history=_read_history(told.get("history")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _read_history(told: dict[str, Any] | None) -> HistoryReport | None:
    if told is None:
        return None
    pending, lag_ms, written, dropped = (
        int(told[name]) for name in ("pending", "lag_ms", "written", "dropped")
    )
    return HistoryReport(pending=pending, lag_ms=lag_ms, written=written, dropped=dropped)
