"""Asking for a job's cancellation, and learning what became of it."""

from __future__ import annotations

import time

from monarq.jobs import envelope as envelopes
from monarq.jobs.actor import this_actor
from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import CorruptRecord, JobNotFound
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.handler import Policy
from monarq.jobs.record import Attempt, encode_failure, kept_for_canceller
from monarq.jobs.state import State
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import (
    Cancellation,
    Request,
    Standing,
    cancel,
    milliseconds,
)

from .ending import state_of


def cancel_request(
    queue: QueueKeys, job_id: str, body: bytes | None, policy: Policy | None, by: str | None, reason: str
) -> Request[Cancellation]:
    """A request to cancel.

    Args:
        body: The job's envelope, None if it is not there.
        by: Who asks; None for the user of this process.
    """
    keep = (policy or Policy()).keep_result
    keep_ms = kept_for_canceller(-1 if keep is None else milliseconds(keep))
    note = CancelNote.of(this_actor() if by is None else by, reason)
    return cancel(queue, job_id, cancelled_record(queue.name, job_id, body, note), keep_ms, note.encode())


def winner(job_id: str, standing: Standing) -> Cancellation:
    """What became of a cancellation that was asked for, once the job has ended."""
    try:
        is_cancelled = state_of(job_id, standing) is State.CANCELLED
    except (JobNotFound, CorruptRecord):  # its kind keeps no results; a cancelled one would be kept
        is_cancelled = False
    return Cancellation.CANCELLED if is_cancelled else Cancellation.ENDED


def cancelled_record(queue: str, job_id: str, body: bytes | None, note: CancelNote) -> bytes:
    """What those who wait for a job that never started will read."""
    try:
        envelope = envelopes.decode(body or b"")
    except CorruptRecord:
        envelope = Envelope("<unreadable>", [], {}, 0)
    now_ms = time.time_ns() // 1_000_000
    attempt = Attempt(job_id=job_id, queue=queue, attempt=0, started_ms=now_ms, ended_ms=now_ms)
    failure = Failure(
        spent=0,
        crashes=0,
        cause=Cause.CANCELLATION,
        fence=0,
        worker="",
        error_type="JobCancelled",
        message=str(note),
    )
    return encode_failure(envelope, attempt, failure, State.CANCELLED, note)
