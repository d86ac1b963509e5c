"""Jobs that the store has lost, as PostgreSQL knows them."""

from datetime import UTC, datetime, timedelta

from monarq.jobs.failure import Failure
from monarq.jobs.priority import Priority
from monarq.jobs.store.restoring import Restorable
from monarq.jobs.unique import Unique

from .store import NOW, a_job

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LONG_AGO_MS = 1_577_836_800_000


def a_lost_job(
    job_id: str = "a",
    *,
    priority: Priority = Priority.NORMAL,
    due: datetime | timedelta | None = None,
    since: datetime = LONG_AGO,
    fence: int = 0,
    starts: int = 1_000_000,
    failure: Failure | None = None,
    unique: Unique | None = None,
    window: timedelta = NOW,
) -> Restorable:
    """What PostgreSQL knows of a job."""
    return Restorable(
        job_id=job_id,
        fence=fence,
        priority=priority,
        body=a_job(job_id, unique=unique).head + b"1}",
        due=due,
        since=since,
        starts=starts,
        failure=failure,
        window=window,
    )
