"""What a job has been through, step by step, for its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from monarq.jobs.state import State

from ..services.job_view import AttemptView, ErrorView, JobView, ReplayView

#: A shorter wait is none.
_WORTH_TELLING = timedelta(milliseconds=50)
_WAITS = frozenset({State.SCHEDULED, State.READY, State.RETRYING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.  Between it and the one before lies `waited`."""

    title: str
    #: Names an icon and a colour: a state's.
    state: str
    at: datetime | None = None
    #: How long it took, and how long the job waited before it.
    took: timedelta | None = None
    waited: timedelta | None = None
    worker: str | None = None
    error: ErrorView | None = None
    note: str = ""


def timeline(job: JobView, runs_since: datetime | None = None) -> Sequence[Step]:
    """From its enqueue to what it does now, or to its end.

    Args:
        runs_since: When the attempt that runs has begun, if that is known.
    """
    steps = [*_past(job), *_present(job, runs_since)]
    return [steps[0], *(_after(before, step) for before, step in pairwise(steps))]


def _past(job: JobView) -> Iterator[Step]:
    yield Step(title="Enqueued", state="scheduled", at=job.enqueued_at, note=f"in {job.queue}")
    steps = [*map(_failed, job.attempts), *map(_replayed, job.replays)]
    times = [step.at for step in steps if step.at is not None]
    if len(times) == len(steps):  # else they keep their order: nobody knows where one belongs
        steps = [steps[at] for _, at in sorted(zip(times, range(len(steps)), strict=True))]
    yield from steps


def _replayed(one: ReplayView) -> Step:
    return Step(title="Replayed", state="ready", at=one.at, note=one.told)


def _present(job: JobView, runs_since: datetime | None) -> Iterator[Step]:
    if job.state in _WAITS:
        yield _waiting(job)
    elif job.state is State.RUNNING:
        asked = "it was asked to stop" if job.cancel_asked_at else ""
        title = f"Attempt {job.starts} runs"
        yield Step(title=title, state="running", at=runs_since, worker=job.worker, note=asked)
    elif job.state is State.SUCCEEDED:
        yield Step(
            title=f"Attempt {job.starts} succeeded" if job.starts else "Succeeded",
            state="succeeded",
            at=job.started_at or job.ended_at,
            took=_span(job.started_at, job.ended_at),
            worker=job.worker,
        )
    else:
        yield Step(title=_END[job.state], state=str(job.state), at=job.ended_at, note=_why(job))


_END = {
    State.DEAD: "Became a dead letter",
    State.CANCELLED: "Cancelled",
    State.EXPIRED: "Expired: its deadline had passed",
}


def _waiting(job: JobView) -> Step:
    if job.state is State.READY:
        return Step(title="Ready", state="ready", at=job.due_at, note="it may be claimed")
    title = "Next try" if job.state is State.RETRYING else "Starts"
    return Step(title=title, state=str(job.state), at=job.due_at)


def _failed(attempt: AttemptView) -> Step:
    cause = attempt.error.cause or "error"
    return Step(
        title=f"Attempt {attempt.number} {_CAUSES.get(cause, 'failed')}",
        state="retrying" if cause in ("interruption", "cancellation") else "dead",
        at=attempt.began_at or attempt.ended_at,
        took=_span(attempt.began_at, attempt.ended_at),
        worker=attempt.worker,
        error=attempt.error,
    )


_CAUSES = {
    "timeout": "timed out",
    "interruption": "was interrupted",
    "crash": "lost its worker",
    "cancellation": "was stopped",
    "corruption": "could not be read",
}


def _why(job: JobView) -> str:
    if job.state is not State.CANCELLED:
        return ""
    by = f"by {job.cancelled_by}" if job.cancelled_by else ""
    return ": ".join(part for part in (by, job.cancel_reason or "") if part)


def _after(before: Step, step: Step) -> Step:
    """With the time between both: a wait, or the backoff."""
    if before.at is None or step.at is None:
        return step
    gap = step.at - before.at - (before.took or timedelta(0))
    return replace(step, waited=gap) if gap >= _WORTH_TELLING else step


def _span(begin: datetime | None, end: datetime | None) -> timedelta | None:
    return None if begin is None or end is None else max(end - begin, timedelta(0))
