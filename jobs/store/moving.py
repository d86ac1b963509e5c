"""Moving a job that waits: to another time, to now, to another priority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ..priority import PRIORITIES, RANKS, Priority
from ..state import State
from .clock import moment_of
from .execute import Transport, execute
from .keys import QueueKeys
from .request import Request, rank_keys, request
from .verbs import milliseconds

if TYPE_CHECKING:
    from .postgres.database import Database
    from .postgres.unit_of_work import UnitOfWork

NOW = timedelta(0)


class Became(StrEnum):
    """What became of a request to move a job."""

    MOVED = "moved"
    UNCHANGED = "unchanged"  #: it stood there already
    RUNNING = "running"  #: too late: a worker holds it
    CANCELLING = "cancelling"  #: its cancellation was asked for, and a worker is to end it
    ENDED = "ended"  #: too late
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Movement:
    """What became of it, and where the job stands now."""

    became: Became
    #: None if nothing is known of it, or only that it has ended.
    state: State | None
    #: Of a job that waits.
    visible_at: datetime | None = None
    priority: Priority | None = None

    @property
    def is_refused(self) -> bool:
        """Whether the job is not where it was wished to be."""
        return self.became not in (Became.MOVED, Became.UNCHANGED)


def move(
    queue: QueueKeys,
    job_id: str,
    *,
    due: timedelta | datetime | None = None,
    priority: Priority | None = None,
) -> Request[Movement]:
    """Let a job that waits start at another time (`NOW`: at once), with another priority, or both."""
    return request(
        "move",
        _read,
        **rank_keys(queue),
        running=queue.running,
        abort=queue.abort,
        pause=queue.pause,
        wake=queue.wake,
        id=job_id,
        when=_when(due),
        rank="" if priority is None else RANKS[priority],
    )


async def move_job(
    transport: Transport,
    database: Database | None,
    queue: QueueKeys,
    job_id: str,
    *,
    due: timedelta | datetime | None = None,
    priority: Priority | None = None,
) -> Movement:
    """The same, and PostgreSQL learns of it where it keeps the job, so that a restored one stands there, too.

    Raises:
        StoreUnavailable: Redis did not answer; or PostgreSQL did not, and the job is moved.  Repeat it.
    """
    movement = await execute(transport, move(queue, job_id, due=due, priority=priority))
    at, rank = movement.visible_at, movement.priority
    if database is not None and at is not None and rank is not None:

        async def note(unit: UnitOfWork) -> None:
            await unit.durable_jobs.move(job_id, at, rank.rank)

        await database.transact(note)
    return movement


def _when(due: timedelta | datetime | None) -> str:
    if due is None:
        return ""
    if isinstance(due, timedelta):
        return f"+{max(0, milliseconds(due))}"
    return str(max(0, round(due.timestamp() * 1000)))


def _read(reply: list[Any]) -> Movement:
    told = reply[0].decode()
    if len(reply) == 1:
        return _REFUSED.get(told) or Movement(Became.ENDED, State(told))
    _, visible_at_ms, rank, is_moved = reply
    became = Became.MOVED if is_moved else Became.UNCHANGED
    return Movement(became, State(told), moment_of(int(visible_at_ms)), PRIORITIES[rank])


_REFUSED = {
    "running": Movement(Became.RUNNING, State.RUNNING),
    "cancelling": Movement(Became.CANCELLING, State.READY),
    "ended": Movement(Became.ENDED, None),
    "unknown": Movement(Became.UNKNOWN, None),
}
