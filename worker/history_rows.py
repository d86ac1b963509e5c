"""From the end of a job to what the history keeps of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.envelope import Envelope, arguments_json
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import Cause, Failure, decode_failure
from monarq.jobs.fingerprint import fingerprint
from monarq.jobs.record import decode_record, result_json
from monarq.jobs.store.dead_letter import moment
from monarq.jobs.store.postgres.repositories.attempts import AttemptRow
from monarq.jobs.store.postgres.repositories.jobs import EndedJob, JobRow
from monarq.jobs.store.verbs import End, Verb

from .run import Run, now_ms

#: Larger arguments and results are not kept: one job must not weigh as much as a thousand.
MAX_DOCUMENT_BYTES = 64 * 1024
#: The kind of a job whose envelope cannot be read.
UNREADABLE = "<unreadable>"
_NO_ENVELOPE = Envelope(UNREADABLE, [], {}, 0)

#: Type and message.
_Error = tuple[str | None, str | None]
_NO_ERROR: _Error = (None, None)


def ended_job(run: Run, end: End, worker: str) -> EndedJob:
    """A job that was ended by this attempt."""
    claimed, failure, has_succeeded = run.claimed, end.failure, end.verb is Verb.SUCCEEDED
    envelope = run.envelope or _NO_ENVELOPE
    run_ms = max(0, (run.ended_ms or now_ms()) - run.started_ms)
    ended_at = _time(claimed.claimed_at_ms + run_ms)  # by the server's clock, as all times here
    has_begun = run.ctx is not None or failure is not None
    error = _NO_ERROR if has_succeeded else _error(end)
    job = _row(
        claimed.job_id,
        ended_at,
        end.verb,
        claimed.queue.name,
        envelope,
        worker=worker,
        attempts=run.attempt if has_succeeded else failure.spent if failure is not None else claimed.spent,
        starts=claimed.starts,
        started_at=_time(claimed.claimed_at_ms) if has_begun else None,
        run_ms=run_ms if has_begun else None,
        wait_ms=max(0, claimed.claimed_at_ms - claimed.visible_at_ms),
        error=error,
        fingerprint=fingerprint(failure) if failure is not None and error is not _NO_ERROR else None,
        note=run.cancel_note if end.verb is Verb.CANCELLED else None,
        result=_result(end, envelope) if has_succeeded else None,
    )
    if has_succeeded and not end.past:
        return EndedJob(job)
    return EndedJob(job, attempts_of(claimed.job_id, ended_at, end.past, failure))


def cancelled_job(
    job_id: str,
    queue: str,
    ended_ms: int,
    *,
    starts: int,
    note: CancelNote,
    envelope: Envelope | None,
    past: Sequence[bytes],
) -> EndedJob:
    """A job that was cancelled while it waited; without an envelope if that cannot be read."""
    ended_at = _time(ended_ms)
    attempts = attempts_of(job_id, ended_at, past, None)
    spent = sum(attempt.cause in _SPENDING for attempt in attempts)
    job = _row(
        job_id,
        ended_at,
        Verb.CANCELLED,
        queue,
        envelope or _NO_ENVELOPE,
        worker=None,
        attempts=spent,
        starts=starts,
        note=note,
    )
    return EndedJob(job, attempts)


def _row(
    job_id: str,
    ended_at: datetime,
    verb: Verb,
    queue: str,
    envelope: Envelope,
    *,
    worker: str | None,
    attempts: int,
    starts: int,
    started_at: datetime | None = None,
    run_ms: int | None = None,
    wait_ms: int | None = None,
    error: _Error = _NO_ERROR,
    fingerprint: str | None = None,
    note: CancelNote | None = None,
    result: str | None = None,
) -> JobRow:
    return JobRow(
        job_id,
        ended_at,
        verb.value,
        queue,
        envelope.kind,
        envelope.priority.value,
        envelope.tags,
        worker,
        attempts,
        starts,
        moment_or_none(envelope.enqueued_ms),
        started_at,
        run_ms,
        wait_ms,
        *error,
        fingerprint,
        (note.reason or None) if note is not None else None,
        (note.by or None) if note is not None else None,
        payload_of(envelope),
        result,
    )


_SPENDING = {str(cause) for cause in Cause if cause.spends_attempt}


def attempts_of(
    job_id: str, ended_at: datetime, past: Iterable[bytes], last: Failure | None
) -> list[AttemptRow]:
    """What went wrong since the job was last replayed, start by start: what was before went with that end."""
    failures: list[Failure] = []
    for record in past:
        try:
            failure = decode_failure(record)
        except CorruptRecord:
            continue
        if failure.cause is Cause.REPLAY:
            failures.clear()
        else:
            failures.append(failure)
    if last is not None:
        failures.append(last)
    rows: dict[int, AttemptRow] = {}
    for failure in failures:
        if isinstance(failure.fence, int):  # what lies in the store may be anything
            rows.setdefault(failure.fence, _attempt(job_id, ended_at, failure))
    return list(rows.values())


def moment_or_none(ms: int) -> datetime | None:
    """A time that is there; 0 stands for one that nobody knows."""
    return moment(ms) if ms else None


def payload_of(envelope: Envelope) -> str | None:
    """The arguments as JSON; None if they have none, or are too large."""
    if envelope is _NO_ENVELOPE:
        return None
    try:
        return _document(arguments_json(envelope))
    except (ValueError, TypeError):
        return None


def _attempt(job_id: str, ended_at: datetime, failure: Failure) -> AttemptRow:
    return AttemptRow(
        job_id,
        ended_at,
        failure.fence,
        str(failure.cause),
        str(failure.error_type),
        str(failure.message),
        str(failure.traceback),
        str(failure.worker),
        moment_or_none(failure.started_ms),
        moment_or_none(failure.ended_ms),
    )


def _error(end: End) -> _Error:
    """What ended it; a cancellation is no error."""
    if end.verb is Verb.CANCELLED:
        return _NO_ERROR
    if end.failure is not None:
        return end.failure.error_type or str(end.failure.cause), end.failure.message
    try:
        told = decode_record(end.result or b"").result
        return str(told["type"]), str(told["message"])
    except (CorruptRecord, TypeError, KeyError):
        return _NO_ERROR


def _result(end: End, envelope: Envelope) -> str | None:
    return _document(result_json(end.result, envelope) if end.result is not None else None)


def _document(found: bytes | None) -> str | None:
    if found is None or len(found) > MAX_DOCUMENT_BYTES:
        return None
    return found.decode("utf-8", "surrogateescape")


def _time(ms: int) -> datetime:
    found = moment(ms)
    assert found is not None  # the server's own clock
    return found
