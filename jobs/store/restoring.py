"""What can be asked of a queue that may have lost jobs: one function per verb, as in `verbs.py`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

from ..failure import Failure
from ..priority import Priority
from .keys import QueueKeys
from .request import Request, rank_keys, request
from .verbs import milliseconds


class Lack(IntEnum):
    """What the queue lacks of a job that has not ended."""

    NOTHING = 0
    JOB = 1  #: it stands nowhere, or its envelope is gone
    NUMBERS = 2  #: its attempts are numbered lower than they have been already


class Known(NamedTuple):
    """A job that has not ended, and the number of its newest attempt."""

    job_id: str
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restorable:
    """A whole job, to be written if the queue lacks it."""

    job_id: str
    fence: int
    priority: Priority
    body: bytes
    #: Not before: a point in time, or a time span from now.
    due: datetime | timedelta | None
    #: It has been due since then, if nothing else is said.
    since: datetime
    #: After which its next attempt is numbered.
    starts: int
    #: What tells of its past, if it has one.
    failure: Failure | None = None
    #: How long it still holds a unique key that is held for a time span.
    window: timedelta = timedelta(0)


def compare(queue: QueueKeys, jobs: Iterable[Known]) -> Request[list[Lack]]:
    """What this queue lacks of them."""
    flat = [value for job in jobs for value in job]
    return request("compare", _read_lacks, **rank_keys(queue), pause=queue.pause, jobs=flat)


def restore(queue: QueueKeys, jobs: Iterable[Restorable]) -> Request[list[Lack]]:
    """Write what this queue lacks of them; what that was."""
    flat: list[Any] = []
    for job in jobs:
        failure = b"" if job.failure is None else job.failure.encode()
        flat += (job.job_id, job.priority.rank, _when(job), job.body, job.fence, job.starts)
        flat += (failure, max(0, milliseconds(job.window)))
    return request(
        "restore",
        _read_lacks,
        **rank_keys(queue),
        pause=queue.pause,
        wake=queue.wake,
        stats=queue.stats,
        dead=queue.dead,
        jobs=flat,
    )


def _when(job: Restorable) -> str:
    if isinstance(job.due, timedelta):
        return f"+{milliseconds(job.due)}"
    return str(_ms(job.due)) if job.due is not None else f"-{_ms(job.since)}"


def _ms(moment: datetime) -> int:
    return max(0, round(moment.timestamp() * 1000))


def _read_lacks(reply: list[int]) -> list[Lack]:
    return [Lack(code) for code in reply]
