"""From an outcome to what the settle script takes."""

from __future__ import annotations

from collections.abc import Container
from datetime import timedelta

from monarq.jobs.envelope import UNIQUE_HEAD, came_by_outbox, unique_key_of
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Snoozed, Succeeded
from monarq.jobs.record import kept_for_canceller
from monarq.jobs.store.verbs import End, Verb, milliseconds

from .run import Run

#: How long the end of a job can be read whose kind, and so whose wish, is unknown.
_DEFAULT_KEEP_MS = 3_600_000
#: How long the end of a job that came by the outbox is remembered at least: a relay that was killed before it
#: could commit brings it again.
_RELAYED_KEPT_MS = 600_000
#: By until when they are held: which unique keys an end frees, a death frees, and a job that is handed back
#: takes again.  The claim has freed those of "start", and those of "window" have a time of their own.
_FREED_BY_END = ("success", "end")
_FREED_BY_DEATH = ("end",)
_TAKEN_BY_RELEASE = ("start",)


def end_of(run: Run, outcome: Outcome) -> End:
    """The end of an attempt, addressed by its fence."""
    job_id, fence = run.claimed.job_id, run.fence
    match outcome:
        case Succeeded(result):
            return End(job_id, fence, Verb.SUCCEEDED, result, _keep_ms(run), unique=_key(run, _FREED_BY_END))
        case Retrying(delay, failure):
            return End(job_id, fence, Verb.RETRYING, delay_ms=milliseconds(delay), failure=failure)
        case Dead(result, failure):
            key = _key(run, _FREED_BY_DEATH)
            return End(job_id, fence, Verb.DEAD, result, _keep_ms(run), failure=failure, unique=key)
        case Cancelled(result, failure):
            key, keep_ms = _key(run, _FREED_BY_END), kept_for_canceller(_keep_ms(run))
            return End(job_id, fence, Verb.CANCELLED, result, keep_ms, failure=failure, unique=key)
        case Expired(result, failure):
            key = _key(run, _FREED_BY_END)
            return End(job_id, fence, Verb.EXPIRED, result, _keep_ms(run), failure=failure, unique=key)
        case Snoozed(delay):
            key, delay_ms = _key(run, _TAKEN_BY_RELEASE), milliseconds(delay)
            return End(job_id, fence, Verb.RELEASED, delay_ms=delay_ms, unique=key, is_snooze=True)
        case Released(delay, failure):
            key = _key(run, _TAKEN_BY_RELEASE)
            return End(
                job_id, fence, Verb.RELEASED, delay_ms=milliseconds(delay), failure=failure, unique=key
            )


def handed_back(run: Run) -> End:
    """The end of an attempt that never began."""
    return end_of(run, Released(timedelta(0), None))


def _key(run: Run, held_until: Container[str]) -> str:
    """Digest of the job's unique key, if it is held until one of these; else empty."""
    body = run.claimed.body
    if body is None or not body.startswith(UNIQUE_HEAD):  # nearly every job, and no time to lose
        return ""
    unique = unique_key_of(body)
    return unique[1] if unique is not None and unique[0] in held_until else ""


def _keep_ms(run: Run) -> int:
    keep_ms = _DEFAULT_KEEP_MS if run.runnable is None else run.runnable.keep_ms
    if 0 <= keep_ms < _RELAYED_KEPT_MS and came_by_outbox(run.claimed.body or b""):
        return _RELAYED_KEPT_MS
    return keep_ms
