"""A job as a line of a list, whether it has ended or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from monarq.jobs.store.finished_job import FinishedJob
from monarq.jobs.store.live_jobs import LiveJob

from ..access.ownership import owner_among, plain_tags
from ..access.scope import Resource

#: A job, wherever it was found.
AnyJob = LiveJob | FinishedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """What a list tells of a job."""

    id: str
    state: str
    queue: str
    #: None if its record cannot be read.
    kind: str | None
    priority: str
    tags: Sequence[str]
    #: Who runs it, or ran it last.
    worker: str | None
    #: Those that count against the budget, and all starts.
    attempts: int
    starts: int
    enqueued_at: datetime | None
    #: When it may be, or might have been, claimed; None unless it waits.
    due_at: datetime | None
    #: Of the last attempt; told once it has ended.
    started_at: datetime | None
    ended_at: datetime | None
    run_ms: int | None
    wait_ms: int | None
    error_type: str | None
    #: None, too, for who must not see what jobs hold.
    error_message: str | None
    fingerprint: str | None
    #: Why it was cancelled and the like, and by whom.
    reason: str | None
    by: str | None


#: In the order in which tables have them.
COLUMNS = tuple(one.name for one in fields(JobRow))


def row_of(job: AnyJob, *, tells_words: bool) -> JobRow:
    """The line of a job, with the words of its error or without."""
    ended = job if isinstance(job, FinishedJob) else None
    return JobRow(
        id=job.job_id,
        state=str(job.state),
        queue=job.queue,
        kind=job.kind,
        priority=str(job.priority),
        tags=plain_tags(job.tags),
        worker=job.worker,
        attempts=job.attempts,
        starts=job.starts,
        enqueued_at=job.enqueued_at,
        due_at=None if isinstance(job, FinishedJob) else job.due_at,
        started_at=ended.started_at if ended else None,
        ended_at=ended.ended_at if ended else None,
        run_ms=ended.run_ms if ended else None,
        wait_ms=ended.wait_ms if ended else None,
        error_type=job.error_type,
        error_message=job.error_message if tells_words else None,
        fingerprint=job.fingerprint,
        reason=ended.reason if ended else None,
        by=ended.by if ended else None,
    )


def resource_of(job: AnyJob, subject: str) -> Resource:
    """The job as a scope judges it, for a caller."""
    return Resource(queue=job.queue, kind=job.kind, owner=owner_among(job.tags, subject))
