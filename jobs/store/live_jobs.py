"""Jobs that have not ended, many at a time: which come next, and what there is to see of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from ..envelope import Envelope, decode
from ..errors import CorruptRecord
from ..failure import Failure
from ..fingerprint import fingerprint
from ..priority import PRIORITIES, Priority
from ..state import State
from .clock import moment_of
from .dead_letter import read_failure
from .keys import QueueKeys
from .request import Request, rank_keys, request

#: Earlier and later than any job: the scores of zsets are exact up to 2^53, and some are four times a time.
EARLIEST_MS, LATEST_MS = 0, 2**51 - 1
#: Of a spot whose priority the envelope is to tell.
UNKNOWN_RANK = -1


class Spot(NamedTuple):
    """A job's place in the order of the times at which they may be claimed; no two jobs share one."""

    visible_at: float
    rank: int
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """A job that has not ended, as it was at one moment."""

    job_id: str
    queue: str
    state: State
    priority: Priority
    #: None if the envelope cannot be read; so are the fields below.
    kind: str | None
    tags: Sequence[str]
    enqueued_at: datetime | None
    #: When it may be, or might have been, claimed; None while it runs.
    due_at: datetime | None
    #: Who runs it.
    worker: str | None
    #: Those that count against the budget, and all starts.
    attempts: int
    starts: int
    #: What went wrong last.
    error_type: str | None
    error_message: str | None
    fingerprint: str | None
    #: The arguments by name; those by position as `*`.
    payload: dict[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the store has of a job; None where it has nothing."""

    now_ms: int
    lease_end_ms: int | None
    fence: str | None
    starts: int
    failure: Failure | None
    body: bytes | None

    @property
    def _is_arqs(self) -> bool:
        """Whether one of arq's own workers runs it: their fences name no owner, and they leave the score."""
        return self.fence is not None and ":" not in self.fence

    def state(self, visible_at: float) -> State:
        """Where the job stands, if it may be claimed at this time; as `Examined.state` says."""
        is_due = visible_at <= self.now_ms
        is_leased = self.lease_end_ms is not None and self.lease_end_ms > self.now_ms
        if self.fence is not None and (self._is_arqs or not is_due or is_leased):
            return State.RUNNING
        if is_due:
            return State.READY
        return State.SCHEDULED if self.failure is None else State.RETRYING

    @property
    def worker(self) -> str | None:
        """Whose fence it is."""
        return None if self.fence is None or self._is_arqs else self.fence.rpartition(":")[0]

    @property
    def is_leased(self) -> bool:
        """Whether a worker of ours holds it."""
        return self.lease_end_ms is not None and self.lease_end_ms > self.now_ms

    @property
    def starts_so_far(self) -> int:
        """All starts, that which goes on among them: the counter comes with the second one."""
        number = "" if self.fence is None or self._is_arqs else self.fence.rpartition(":")[2]
        return max(self.starts, int(number) if number.isdecimal() else 0)

    def envelope(self) -> Envelope | None:
        """None if it cannot be read."""
        try:
            return decode(self.body or b"")
        except CorruptRecord:
            return None


def lineup(
    queue: QueueKeys,
    *,
    after: Spot | None = None,
    backwards: bool = False,
    limit: int,
    from_ms: int = EARLIEST_MS,
    to_ms: int = LATEST_MS,
) -> Request[list[Spot]]:
    """The next jobs of a queue that wait or run, or those before a place, the nearest first."""
    place = after or ("", 0, "")
    return request(
        "lineup",
        _read_spots,
        **rank_keys(queue),
        pause=queue.pause,
        from_ms=max(EARLIEST_MS, from_ms),
        to_ms=min(LATEST_MS, to_ms),
        backwards=int(backwards),
        limit=limit,
        visible_at=repr(place[0]) if after else "",
        rank=place[1],
        id=place[2].encode("utf-8", "surrogateescape"),
    )


def glance(queue: QueueKeys, job_ids: Sequence[str], budget_bytes: int) -> Request[list[Glimpse]]:
    """What there is of these jobs, as many as the budget lets through."""
    return request(
        "glance",
        _read_glimpses,
        running=queue.running,
        budget=budget_bytes,
        jobs=[job_id.encode("utf-8", "surrogateescape") for job_id in job_ids],
    )


def live_job(queue: QueueKeys, spot: Spot, seen: Glimpse) -> LiveJob:
    """The job, of what was seen of it."""
    envelope, failure = seen.envelope(), seen.failure
    state = seen.state(spot.visible_at)
    is_running = state is State.RUNNING
    by_position = {"*": envelope.args} if envelope is not None and envelope.args else {}
    return LiveJob(
        job_id=shown_id(spot.job_id),
        queue=queue.name,
        state=state,
        priority=_priority(spot, envelope),
        kind=envelope.kind if envelope else None,
        tags=envelope.tags if envelope else [],
        enqueued_at=moment_of(envelope.enqueued_ms) if envelope else None,
        due_at=None if is_running else moment_of(spot.visible_at),
        worker=seen.worker if is_running else None,
        attempts=failure.spent if failure else 0,
        starts=seen.starts_so_far,
        error_type=(failure.error_type or failure.cause) if failure else None,
        error_message=failure.message if failure else None,
        fingerprint=fingerprint(failure) if failure else None,
        payload={**envelope.kwargs, **by_position} if envelope else {},
    )


def _priority(spot: Spot, envelope: Envelope | None) -> Priority:
    if spot.rank != UNKNOWN_RANK:
        return PRIORITIES[spot.rank]
    return Priority.NORMAL if envelope is None else envelope.priority


def shown_id(job_id: str) -> str:
    """An id as text: what others write may be any bytes."""
    return job_id.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _read_spots(reply: Sequence[Any]) -> list[Spot]:
    return [
        Spot(float(at), int(rank), job_id.decode("utf-8", "surrogateescape"))
        for job_id, at, rank in zip(reply[::3], reply[1::3], reply[2::3], strict=True)
    ]


def _read_glimpses(reply: Sequence[Any]) -> list[Glimpse]:
    now, *rest = reply
    return [_glimpse(now, *rest[at : at + 5]) for at in range(0, len(rest), 5)]


def _glimpse(
    now: int,
    lease_end: bytes | None,
    fence: bytes | None,
    starts: bytes | None,
    failure: bytes | None,
    body: bytes | None,
) -> Glimpse:
    return Glimpse(
        now_ms=now,
        lease_end_ms=None if lease_end is None else int(float(lease_end)),
        fence=None if fence is None else fence.decode("utf-8", "replace"),
        starts=int(starts) if starts is not None and starts.isdigit() else 0,
        failure=None if failure is None else read_failure(failure),
        body=body,
    )
