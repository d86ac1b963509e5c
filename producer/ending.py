"""Reading how a job ended."""

from __future__ import annotations

from typing import Any

from monarq.jobs import envelope as envelopes
from monarq.jobs.errors import CorruptRecord, JobCancelled, JobExpired, JobFailed, JobNotFound
from monarq.jobs.failure import decode_failure
from monarq.jobs.handler import Handler
from monarq.jobs.record import Record, decode_record
from monarq.jobs.state import State
from monarq.jobs.store.verbs import Standing


def state_of(job_id: str, standing: Standing) -> State:
    """The state that the store tells of.

    Raises:
        JobNotFound: It knows nothing of the job.
    """
    if _is_unknown(standing):
        raise JobNotFound(job_id)
    if standing.what == "ended":
        return decode_record(standing.record or b"").state
    return State(standing.what)


def has_ended(standing: Standing) -> bool:
    """Whether there is an end to read."""
    return standing.what in ("ended", "dead", "unknown")


def result_of(job_id: str, standing: Standing, handler: Handler[..., Any] | None) -> Any:
    """The result of a job that has ended, in the type that its handler returns.

    Raises:
        JobNotFound: The store knows nothing of the job, or no longer.
        JobFailed: It is a dead letter.
        JobCancelled, JobExpired: It ended so.
        InvalidResult: It does not fit the handler's return annotation.
        CorruptRecord: What is recorded cannot be read.
    """
    if _is_unknown(standing):
        raise JobNotFound(job_id)
    if standing.what == "dead":
        raise _dead(job_id, standing)
    record = decode_record(standing.record or b"")
    if record.state is State.SUCCEEDED:
        return record.result if handler is None else handler.result.decode(record.result)
    raise _unsuccessful(job_id, record)


def _is_unknown(standing: Standing) -> bool:
    return standing.what == "unknown" or (standing.what == "ended" and standing.record is None)


def _unsuccessful(job_id: str, record: Record) -> Exception:
    told = record.result if isinstance(record.result, dict) else {"message": str(record.result)}
    message = str(told.get("message", ""))
    match record.state:
        case State.CANCELLED:
            return JobCancelled(job_id, message, str(told.get("by", "")), str(told.get("reason", "")))
        case State.EXPIRED:
            return JobExpired(job_id, message)
    return JobFailed(job_id, record.kind, str(told.get("type", "")), message, str(told.get("traceback", "")))


def _dead(job_id: str, standing: Standing) -> JobFailed:
    """From the dead letter itself: its result is no longer kept."""
    try:
        kind = envelopes.decode(standing.envelope or b"").kind
    except CorruptRecord:
        kind = "<unreadable>"
    if standing.record is None:
        return JobFailed(job_id, kind, "", "no failure is recorded")
    try:
        failure = decode_failure(standing.record)
    except CorruptRecord as error:  # that it is dead is certain all the same
        return JobFailed(job_id, kind, "CorruptRecord", str(error))
    return JobFailed(job_id, kind, failure.error_type, failure.message, failure.traceback)
