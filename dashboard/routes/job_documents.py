"""A job, as the API tells it."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from monarq.jobs.priority import Priority
from monarq.jobs.state import State

from ..access.ownership import plain_tags
from ..services.job_view import AttemptView, ErrorView, JobView


class ErrorDocument(BaseModel):
    """What went wrong."""

    type: str
    message: str | None
    traceback: str | None
    cause: str | None = Field(description="error, timeout, interruption, crash, cancellation or corruption")


class AttemptDocument(BaseModel):
    """An attempt that did not succeed."""

    number: int = Field(description="of the start, from 1")
    worker: str | None
    began_at: datetime | None
    ended_at: datetime | None
    error: ErrorDocument


class ReplayDocument(BaseModel):
    """A fresh budget of attempts that a dead job was given."""

    at: datetime | None
    by: str
    told: str


class JobDocument(BaseModel):
    """A job.  What is not known, or does not apply, is null."""

    id: str
    state: State
    queue: str
    kind: str | None
    priority: Priority | None
    tags: list[str]
    durable: bool
    outbox: Literal["waiting", "set_aside"] | None = Field(
        description="of a job that is not in Redis yet: a relay sends it next, or it could not be sent"
    )
    enqueued_at: datetime | None
    trace_id: str | None = Field(
        description="the trace that it was enqueued in; not known once it has ended, unless it is dead"
    )
    due_at: datetime | None = Field(description="of a job that waits: when it may start")
    expires_at: datetime | None
    started_at: datetime | None = Field(description="its last attempt, of a job that has ended")
    ended_at: datetime | None
    starts: int
    attempts_spent: int = Field(description="those that count against the budget")
    worker: str | None
    lease_until: datetime | None
    cancel_asked_at: datetime | None
    args: Any = Field(description="by name")
    result: Any
    error: ErrorDocument | None
    cancelled_by: str | None
    cancel_reason: str | None
    fingerprint: str | None = Field(description="the same for failures that look like the same bug")
    attempts: list[AttemptDocument] = Field(description="that did not succeed, oldest first")
    replays: list[ReplayDocument]
    payload_hidden: bool = Field(description="args, result and the words of errors were left out")


#: Members that are named alike here and there.
_SAME = {one.name for one in fields(JobView)} & JobDocument.model_fields.keys() - {
    "tags",
    "error",
    "attempts",
    "replays",
}


def job_document(view: JobView) -> JobDocument:
    """What the API tells of it."""
    return JobDocument(
        id=view.job_id,
        tags=plain_tags(view.tags),
        durable=view.is_durable,
        args=view.arguments,
        error=_error(view.error),
        attempts=[_attempt(one) for one in view.attempts],
        replays=[ReplayDocument(at=one.at, by=one.by, told=one.told) for one in view.replays],
        payload_hidden=view.is_payload_hidden,
        **{name: getattr(view, name) for name in _SAME},
    )


def _attempt(one: AttemptView) -> AttemptDocument:
    return AttemptDocument(
        number=one.number,
        worker=one.worker,
        began_at=one.began_at,
        ended_at=one.ended_at,
        error=_told(one.error),
    )


def _error(error: ErrorView | None) -> ErrorDocument | None:
    return None if error is None else _told(error)


def _told(error: ErrorView) -> ErrorDocument:
    return ErrorDocument(type=error.type, message=error.message, traceback=error.traceback, cause=error.cause)
