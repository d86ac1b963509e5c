"""Which workers live, by what they report of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from pydantic_core import from_json

from .clock import read_time
from .execute import Transport
from .keys import WORKER, WORKERS
from .request import Request, request

#: How often a worker reports that says nothing about it: one at work.
REPORT_EVERY_MS = 5_000
#: A worker that is so much later than twice that is frozen, cut off or dead.
_LATE_MS = 5_000
#: How long a report is kept.  An idle worker reports every half minute.
REPORT_KEPT_MS = 80_000

T = TypeVar("T")


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
class RunningJob:
    """A job that a worker runs."""

    job_id: str
    queue: str
    #: None if its envelope could not be read yet.
    kind: str | None
    attempt: int
    #: For how long it had run when the worker reported.
    age_ms: int
    #: For how long it may; None: for ever.
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptsReport:
    """Attempts of one kind that a worker has ended in the last ten minutes."""

    queue: str
    kind: str
    ended: int
    #: Of these, those that are to be repeated, those that made a dead letter, and those that were lost.
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartsReport:
    """Attempts of one queue that a worker has begun in the last hour, and in the last five minutes of it."""

    queue: str
    number: int
    #: Of these, those that waited no longer than the queue's objective.
    in_time: int
    number_lately: int
    in_time_lately: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CronReport:
    """A cron job that a worker has."""

    queue: str
    name: str
    kind: str
    #: In words.
    times: str
    timezone: str
    #: In ISO 8601; None if it is never due again.
    next_due_at: str | None
    last_due_at: str | None
    #: The longest time between two of its next instants; None if it is never due again, or if the worker does
    #: not write down when it has succeeded.
    interval_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveWorker:
    """A worker's own report; it ends by itself some 80 s after the last one."""

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
    #: It was told to stop, or to be quiet: it finishes what runs, and claims no more.
    stopping: bool
    #: It reaches PostgreSQL, and so may run durable jobs.
    has_database: bool = False
    #: None if it writes none.
    history: HistoryReport | None = None
    #: How long ago it reported, by the server's clock.
    reported_ago_ms: int = 0
    #: When to expect the next report: one that works reports more often.
    every_ms: int = REPORT_EVERY_MS
    version: str = ""
    python: str = ""
    #: For how long it had been up when it reported.
    up_ms: int = 0
    rss_bytes: int = 0
    #: The longest that its event loop kept a callback waiting since the report before.
    loop_lag_ms: int = 0
    #: Times that something blocked its event loop for longer than a second.
    loop_blocks: int = 0
    complete: int = 0
    failed: int = 0
    #: Those that have run longest; of very many not all.
    runs: tuple[RunningJob, ...] = ()
    cron: tuple[CronReport, ...] = ()
    #: Of the kinds and queues that had any, by workers that count at all: those that have a port for metrics.
    attempts: tuple[AttemptsReport, ...] = ()
    starts: tuple[StartsReport, ...] = ()

    @property
    def is_stale(self) -> bool:
        """Whether it should have reported since."""
        return self.reported_ago_ms > 2 * self.every_ms + _LATE_MS

    @property
    def is_live(self) -> bool:
        """Whether it claims jobs."""
        return not (self.stopping or self.is_stale)

    def serves(self, queue: str) -> bool:
        """Whether it claims jobs of this queue."""
        return queue in self.queues and self.is_live


def report(worker: str, told: bytes) -> Request[None]:
    """Say how a worker is, in `told`."""
    return request("report", _read_nothing, report=WORKER + worker, told=told, kept_ms=REPORT_KEPT_MS)


def enlist(worker: str) -> Request[None]:
    """Put a worker that has reported on the list."""
    return request("enlist", _read_nothing, workers=WORKERS, worker=worker)


def _read_nothing(_: object) -> None: ...


async def live_workers(transport: Transport) -> list[LiveWorker]:
    """All that have reported lately, sorted by name.  Reports that cannot be read are left out.

    Raises:
        StoreUnavailable: Redis did not answer.
    """
    flat = await transport.call("ZRANGE", WORKERS, 0, -1, "WITHSCORES")
    if not flat:
        return []
    now_ms = read_time(await transport.call("TIME"))
    reported = sorted(zip(flat[::2], flat[1::2], strict=True))
    reports = await transport.call("MGET", *(WORKER.encode() + worker for worker, _ in reported))
    return _read_all(reports, [now_ms - float(at_ms) for _, at_ms in reported])


def _read_all(reports: Sequence[bytes | None], ages_ms: Sequence[float]) -> list[LiveWorker]:
    found = (_read(report, age_ms) for report, age_ms in zip(reports, ages_ms, strict=True))
    return [worker for worker in found if worker is not None]


def _read(report: bytes | None, age_ms: float) -> LiveWorker | None:
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
            has_database=bool(told.get("has_database")),
            history=_read_history(told.get("history")),
            reported_ago_ms=max(0, round(age_ms)),
            every_ms=int(told.get("every_ms", REPORT_EVERY_MS)),
            version=str(told.get("version", "")),
            python=str(told.get("python", "")),
            **{name: int(told.get(name, 0)) for name in _NUMBERS},
            runs=_read_parts(RunningJob, told.get("runs", ())),
            cron=_read_parts(CronReport, told.get("cron", ())),
            attempts=_read_parts(AttemptsReport, told.get("attempts", ())),
            starts=_read_parts(StartsReport, told.get("starts", ())),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _read_parts(part: type[T], told: Iterable[dict[str, Any]]) -> tuple[T, ...]:
    # a worker of a later release may tell more
    known = {field.name for field in fields(part)}  # type: ignore[arg-type]
    return tuple(part(**{name: value for name, value in one.items() if name in known}) for one in told)


_NUMBERS = ("up_ms", "rss_bytes", "loop_lag_ms", "loop_blocks", "complete", "failed")


def _read_history(told: dict[str, Any] | None) -> HistoryReport | None:
    if told is None:
        return None
    pending, lag_ms, written, dropped = (
        int(told[name]) for name in ("pending", "lag_ms", "written", "dropped")
    )
    return HistoryReport(pending=pending, lag_ms=lag_ms, written=written, dropped=dropped)
