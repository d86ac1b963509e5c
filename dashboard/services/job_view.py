"""One job as the dashboard tells it, from whatever knows of it: queue, result, dead letter or history.

Who made a view has not judged yet who may see it; `JobService` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monarq.jobs.envelope import Envelope, decode, is_durable
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.fingerprint import fingerprint
from monarq.jobs.priority import PRIORITIES, Priority
from monarq.jobs.record import Record
from monarq.jobs.redaction import without_secrets
from monarq.jobs.state import State
from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.dead_letter import DeadLetter, moment
from monarq.jobs.store.examine import Examined
from monarq.jobs.store.finding import Found
from monarq.jobs.store.finished_job import JobStory, PastAttempt

from ..access.ownership import owner_among
from ..access.scope import Resource
from ..preconditions import version_of

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.repositories.outbox import HeldRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView:
    """What went wrong.  The words are payload: who may not see that sees None."""

    type: str
    message: str | None
    traceback: str | None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """An attempt that did not succeed."""

    number: int
    worker: str | None
    began_at: datetime | None
    ended_at: datetime | None
    error: ErrorView


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayView:
    """A fresh budget of attempts for a dead job."""

    at: datetime | None
    by: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """One job.  What is not known, or does not apply, is None."""

    job_id: str
    state: State
    queue: str
    #: None if its envelope cannot be read.
    kind: str | None
    priority: Priority | None = None
    #: Those that say who made it are among them.
    tags: Sequence[str] = ()
    is_durable: bool = False
    #: Of a job that is not in Redis yet: `waiting` for a relay, or `set_aside`, since it could not be sent.
    outbox: str | None = None
    enqueued_at: datetime | None = None
    #: Of the trace that it was enqueued in, in hex; not known of a job that has ended, unless it is dead.
    trace_id: str | None = None
    #: Of a job that waits.
    due_at: datetime | None = None
    expires_at: datetime | None = None
    #: Its last attempt.
    started_at: datetime | None = None
    ended_at: datetime | None = None
    starts: int = 0
    attempts_spent: int = 0
    worker: str | None = None
    lease_until: datetime | None = None
    cancel_asked_at: datetime | None = None
    #: Arguments by name; those by position (arq's) are its member `*`.
    arguments: Any = None
    result: Any = None
    #: What it ended of, or what its last attempt did.
    error: ErrorView | None = None
    cancelled_by: str | None = None
    cancel_reason: str | None = None
    fingerprint: str | None = None
    attempts: Sequence[AttemptView] = ()
    replays: Sequence[ReplayView] = ()
    #: It ended just now; its worker and earlier attempts are known when the history has it, in a moment.
    is_told_in_part: bool = False
    #: Arguments, results and words of errors are left out.
    is_payload_hidden: bool = False

    def resource(self, subject: str) -> Resource:
        """As which it is judged, for this caller."""
        return Resource(queue=self.queue, kind=self.kind, owner=owner_among(self.tags, subject))

    @property
    def version(self) -> str:
        """What tells this state of the job from others; a renewed lease or the time that passes do not."""
        due = None if self.state is State.RUNNING else self.due_at
        ended = self.ended_at if self.state is State.DEAD else None
        asked = self.cancel_asked_at is not None
        where = self.outbox or self.queue
        parts = (self.job_id, str(self.state), where, self.priority, due, ended, self.worker, asked)
        is_final = self.state.is_final
        return version_of(*parts, None if is_final else self.starts, self.is_payload_hidden)

    def shown(self) -> JobView:
        """With the payload, but without what its names say is secret."""
        return replace(self, arguments=without_secrets(self.arguments), result=without_secrets(self.result))

    def without_payload(self) -> JobView:
        """For those who may not see it."""
        return replace(
            self,
            arguments=None,
            result=None,
            error=_wordless(self.error),
            attempts=[replace(one, error=_wordless(one.error)) for one in self.attempts],
            is_payload_hidden=True,
        )


def of_queue(found: Found, failures: Iterable[Failure]) -> JobView | None:
    """A job that waits, runs, or lies dead in Redis; None if it does neither."""
    job, state = found.job, found.job.state
    if state is None or not job.is_here:
        return None
    envelope, told = job.envelope(), list(failures)
    attempts = [_attempt(one) for one in told if one.cause is not Cause.REPLAY]
    return JobView(
        job_id=found.job_id,
        state=state,
        queue=job.queue,
        priority=job.priority or (envelope.priority if envelope else None),
        is_durable=is_durable(job.body),
        due_at=_moment(job.visible_at_ms) if state is not State.RUNNING and not state.is_final else None,
        ended_at=_moment(job.died_ms),
        starts=max(job.starts, _fence_number(job)),
        attempts_spent=job.failure.spent if job.failure else 0,
        worker=job.worker if state is State.RUNNING else None,
        lease_until=_moment(job.lease_end_ms) if state is State.RUNNING else None,
        cancel_asked_at=_moment(job.abort_ms),
        error=attempts[-1].error if attempts and told[-1].cause is not Cause.REPLAY else None,
        fingerprint=fingerprint(job.failure) if attempts and job.failure else None,
        attempts=attempts,
        replays=[_replay(one) for one in told if one.cause is Cause.REPLAY],
        **_of_envelope(envelope),
    )


def of_held(row: HeldRow) -> JobView:
    """A job that an app has committed, on its way to Redis: for its callers it waits for its time."""
    body = row.head + b"%d}" % round(row.created_at.timestamp() * 1000)
    try:
        told = _of_envelope(decode(body))
    except CorruptRecord:
        told = {}
    # how long it is worth starting counts from when it is sent
    told |= {"kind": row.kind, "enqueued_at": row.created_at, "expires_at": None}
    return JobView(
        job_id=row.job_id,
        state=State.SCHEDULED,
        queue=row.queue,
        priority=PRIORITIES[row.rank],
        is_durable=is_durable(body),
        outbox="waiting" if row.reason is None else "set_aside",
        due_at=row.due_at or row.created_at,
        **told,
    )


def of_letter(letter: DeadLetter) -> JobView:
    """A dead job, wherever its letter lies."""
    attempts = [_attempt(one) for one in letter.failures]
    by_position = {"*": letter.args} if letter.args else {}
    return JobView(
        job_id=letter.job_id,
        state=State.DEAD,
        queue=letter.queue,
        kind=letter.kind,
        priority=letter.priority,
        tags=letter.tags,
        enqueued_at=letter.enqueued_at,
        trace_id=letter.trace_id,
        ended_at=letter.died_at,
        starts=max((one.fence for one in letter.attempts), default=0),
        attempts_spent=letter.attempts[-1].spent if letter.attempts else 0,
        worker=letter.failures[-1].worker if letter.failures else None,
        arguments=None if letter.kind is None else {**letter.kwargs, **by_position},
        error=attempts[-1].error if attempts else None,
        fingerprint=letter.fingerprint,
        attempts=attempts,
        replays=[ReplayView(at=one.at, by=one.by, told=one.told) for one in letter.replays],
    )


def of_record(job_id: str, queue: str, record: Record) -> JobView:
    """A job that has ended, as its result tells."""
    told = record.result if record.state is not State.SUCCEEDED and isinstance(record.result, dict) else {}
    error = None
    if told and record.state is not State.CANCELLED:
        error = ErrorView(
            type=str(told.get("type", "")),
            message=str(told.get("message", "")),
            traceback=str(told.get("traceback", "")),
            cause=told.get("cause"),
        )
    return JobView(
        job_id=job_id,
        state=record.state,
        queue=record.queue or queue,
        kind=record.kind,
        tags=record.tags,
        enqueued_at=moment(record.enqueued_ms),
        started_at=moment(record.started_ms),
        ended_at=moment(record.ended_ms),
        starts=record.attempt,
        arguments=record.arguments,
        result=record.result if record.state is State.SUCCEEDED else None,
        error=error,
        cancelled_by=told.get("by") or None,
        cancel_reason=told.get("reason") or None,
    )


def of_stories(stories: Sequence[JobStory]) -> JobView:
    """A job that has ended, as the history has it: all its ends, the newest first."""
    last, *earlier = stories
    view = _of_story(last)
    attempts = [_past(attempt) for story in reversed(earlier) for attempt in story.attempts]
    replays = [
        ReplayView(at=story.job.ended_at, by="", told="it had become a dead letter")
        for story in reversed(earlier)
    ]
    return replace(view, attempts=[*attempts, *view.attempts], replays=replays)


def _of_story(story: JobStory) -> JobView:
    job, attempts = story.job, [_past(one) for one in story.attempts]
    error = None
    if job.error_type is not None:
        error = ErrorView(
            type=job.error_type,
            message=job.error_message,
            traceback=attempts[-1].error.traceback if attempts else None,
            cause=attempts[-1].error.cause if attempts else None,
        )
    return JobView(
        job_id=job.job_id,
        state=State(job.state),
        queue=job.queue,
        kind=job.kind,
        priority=Priority(job.priority),
        tags=job.tags,
        enqueued_at=job.enqueued_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        starts=job.starts,
        attempts_spent=job.attempts,
        worker=job.worker,
        arguments=story.payload,
        result=story.result,
        error=error,
        cancelled_by=job.by,
        cancel_reason=job.reason,
        fingerprint=job.fingerprint,
        attempts=attempts,
    )


def both(record: JobView, story: JobView | None) -> JobView:
    """What the result tells of an end, and what the history knows beyond it, if it knows of the same end."""
    if story is None or story.state is not record.state:
        return record
    return replace(
        story,
        queue=record.queue,
        arguments=record.arguments,
        result=record.result,
        error=record.error or story.error,
    )


def _of_envelope(envelope: Envelope | None) -> dict[str, Any]:
    if envelope is None:
        return {"kind": None}
    by_position = {"*": envelope.args} if envelope.args else {}
    return {
        "kind": envelope.kind,
        "tags": envelope.tags,
        "trace_id": envelope.trace_id,
        "enqueued_at": moment(envelope.enqueued_ms),
        "expires_at": _moment(envelope.expires_ms),
        "arguments": {**envelope.kwargs, **by_position},
    }


def _attempt(failure: Failure) -> AttemptView:
    return AttemptView(
        number=failure.fence,
        worker=failure.worker or None,
        began_at=moment(failure.started_ms) if failure.started_ms else None,
        ended_at=moment(failure.ended_ms) if failure.ended_ms else None,
        error=ErrorView(
            type=failure.error_type or str(failure.cause),
            message=failure.message,
            traceback=failure.traceback,
            cause=str(failure.cause),
        ),
    )


def _past(attempt: PastAttempt) -> AttemptView:
    return AttemptView(
        number=attempt.number,
        worker=attempt.worker or None,
        began_at=attempt.began_at,
        ended_at=attempt.finished_at,
        error=ErrorView(
            type=attempt.error_type or attempt.cause,
            message=attempt.message,
            traceback=attempt.traceback,
            cause=attempt.cause,
        ),
    )


def _replay(mark: Failure) -> ReplayView:
    return ReplayView(at=moment(mark.ended_ms), by=mark.worker, told=mark.message)


def _wordless(error: ErrorView | None) -> Any:
    return None if error is None else replace(error, message=None, traceback=None)


def _fence_number(job: Examined) -> int:
    """The number of the start that runs: the counter is behind it."""
    _, _, number = (job.fence or "").rpartition(":")
    return int(number) if number.isdecimal() and not job.is_arqs else 0


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else moment_of(ms)
