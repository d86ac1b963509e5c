"""A schedule: what the workers have said of one of their cron jobs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the jobs of one kind are enqueued, and what came of it last."""

    queue: str
    #: Its kind; where a worker has several of a kind and queue, their number is part of it.
    name: str
    kind: str
    #: In words.
    times: str
    timezone: str
    #: Whether an instant is enqueued once, however many workers know of it.
    is_unique: bool
    next_due_at: datetime | None
    #: The last instant that was enqueued; None if none is known of.
    last_due_at: datetime | None
    last_job_id: str | None

    def as_document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSchedule(Schedule):
    """The same, as PostgreSQL has it."""

    #: When a worker last said that it has this schedule, and which one.
    seen_at: datetime
    worker: str


#: In the order of the table's columns.
SCHEDULE_COLUMNS = tuple(one.name for one in fields(Schedule))
