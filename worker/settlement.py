"""From an outcome to what the settle script takes."""

from __future__ import annotations

from datetime import timedelta

from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Snoozed, Succeeded
from monarq.jobs.record import kept_for_canceller
from monarq.jobs.store.verbs import End, Verb, milliseconds

from .run import Run

#: How long the end of a job can be read whose kind, and so whose wish, is unknown.
_DEFAULT_KEEP_MS = 3_600_000


def end_of(run: Run, outcome: Outcome) -> End:
    """The end of an attempt, addressed by its fence."""
    job_id, fence = run.claimed.job_id, run.fence
    match outcome:
        case Succeeded(result):
            return End(job_id, fence, Verb.SUCCEEDED, result, _keep_ms(run))
        case Retrying(delay, failure):
            return End(job_id, fence, Verb.RETRYING, delay_ms=milliseconds(delay), failure=failure)
        case Dead(result, failure):
            return End(job_id, fence, Verb.DEAD, result, _keep_ms(run), failure=failure)
        case Cancelled(result, failure):
            keep_ms = kept_for_canceller(_keep_ms(run))
            return End(job_id, fence, Verb.CANCELLED, result, keep_ms, failure=failure)
        case Expired(result, failure):
            return End(job_id, fence, Verb.EXPIRED, result, _keep_ms(run), failure=failure)
        case Snoozed(delay):
            return End(job_id, fence, Verb.RELEASED, delay_ms=milliseconds(delay), is_snooze=True)
        case Released(delay, failure):
            return End(job_id, fence, Verb.RELEASED, delay_ms=milliseconds(delay), failure=failure)


def handed_back(run: Run) -> End:
    """The end of an attempt that never began."""
    return end_of(run, Released(timedelta(0), None))


def _keep_ms(run: Run) -> int:
    return _DEFAULT_KEEP_MS if run.runnable is None else run.runnable.keep_ms
