"""From a row of PostgreSQL to the job that Redis is given again."""

from __future__ import annotations

from datetime import timedelta

from ...failure import Cause, Failure
from ...priority import PRIORITIES
from ..epoch import NUMBERS_PER_EPOCH
from ..restoring import Restorable
from .repositories.open_jobs import OpenJob


def restorable(job: OpenJob, *, epoch: int, lease: timedelta) -> Restorable:
    """The job as it is now: enqueued when it was, with what PostgreSQL knows of its past.

    One that has begun is due after a lease: who runs it still has until then to end it, or to see that it has
    lost it.
    """
    has_begun = job.fence > 0
    return Restorable(
        job_id=job.job_id,
        fence=job.fence,
        priority=PRIORITIES[job.rank],
        body=job.head + b"%d}" % round(job.created_at.timestamp() * 1000),
        due=lease if has_begun else job.due_at,
        since=job.created_at,
        starts=max(job.fence, epoch * NUMBERS_PER_EPOCH),
        failure=_interruption(job) if has_begun else None,
        window=_window(job.unique_rule) - job.age,
    )


def _interruption(job: OpenJob) -> Failure:
    return Failure(
        spent=job.spent,
        crashes=0,
        cause=Cause.INTERRUPTION,
        fence=job.fence,
        worker=job.worker,
        message="Redis had lost this job; it was restored from PostgreSQL",
    )


def _window(rule: str) -> timedelta:
    """How long a key is held, counted from the enqueue, if for a time span: see `unique_rule`."""
    ms = rule.rpartition(" ")[2]
    return timedelta(milliseconds=int(ms)) if ms.isdecimal() else timedelta(0)
