"""What those who wait for a cancelled job will read."""

from __future__ import annotations

import time

from monarq.jobs import envelope as envelopes
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.handler import Policy
from monarq.jobs.record import Attempt, encode_failure
from monarq.jobs.state import State
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.verbs import Cancellation, Request, cancel, milliseconds


def cancel_request(
    queue: QueueKeys, job_id: str, body: bytes | None, policy: Policy | None
) -> Request[Cancellation]:
    """A request to cancel; `body` is the job's envelope, None if it is not there."""
    keep = (policy or Policy()).keep_result
    return cancel(queue, job_id, _record(queue, job_id, body), -1 if keep is None else milliseconds(keep))


def _record(queue: QueueKeys, job_id: str, body: bytes | None) -> bytes:
    try:
        envelope = envelopes.decode(body or b"")
    except CorruptRecord:
        envelope = Envelope("<unreadable>", [], {}, 0)
    now_ms = time.time_ns() // 1_000_000
    attempt = Attempt(job_id=job_id, queue=queue.name, attempt=0, started_ms=now_ms, ended_ms=now_ms)
    failure = Failure(
        spent=0,
        crashes=0,
        cause=Cause.CANCELLATION,
        fence=0,
        worker="",
        error_type="JobCancelled",
        message="cancelled before it started",
    )
    return encode_failure(envelope, attempt, failure, State.CANCELLED)
