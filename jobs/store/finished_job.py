"""A job that has ended, as the history has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedJob:
    """One end of a job; a job that was replayed has several."""

    job_id: str
    ended_at: datetime
    state: str
    queue: str
    kind: str
    priority: str
    tags: list[str]
    #: Of the last attempt; None if there was none.
    worker: str | None
    #: Those that count against the budget, and all starts.
    attempts: int
    starts: int
    enqueued_at: datetime | None
    #: Of the last attempt.
    started_at: datetime | None
    run_ms: int | None
    #: From when it was due to the start of the last attempt.
    wait_ms: int | None
    error_type: str | None
    error_message: str | None
    fingerprint: str | None
    #: Why it was cancelled and the like, and by whom.
    reason: str | None
    by: str | None

    def as_document(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


#: In the order of the table's columns.
FINISHED_JOB_COLUMNS = tuple(one.name for one in fields(FinishedJob))


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt that went wrong."""

    #: Of the start, from 1.
    number: int
    cause: str
    error_type: str | None
    message: str | None
    traceback: str | None
    worker: str | None
    began_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStory:
    """One end of a job with all that is known of it."""

    job: FinishedJob
    #: The arguments by name; None if they were not kept.
    payload: Any
    result: Any
    attempts: list[PastAttempt]

    def as_document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            **self.job.as_document(),
            "payload": self.payload,
            "result": self.result,
            "past_attempts": [asdict(one) for one in self.attempts],
        }
