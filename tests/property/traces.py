"""Every trace of a job that lies in the store is one of its state, and there is no other."""

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.state import FINAL, State
from monarq.jobs.store import verbs

from .glance import Seen
from .model import WAITING, Job

NOTHING = Seen({}, None, False, False, False, False, False, "", False, [], False, False, False)


def check(job: Job, seen: Seen, now: int) -> None:
    """Every trace of a job is one of its state, and there is no other."""
    lives = job.state not in FINAL
    runs = job.state is State.RUNNING
    assert list(seen.ranks) == ([job.priority.rank] if lives and not job.is_parked else [])
    assert (seen.parked is not None) == job.is_parked
    assert seen.has_envelope == lives
    assert seen.fence == (verbs.fence(job.owner, job.starts) if runs else "")
    assert (seen.lease_end is not None) == runs
    assert seen.is_listed_dead == seen.has_letter == (job.state is State.DEAD)
    assert seen.has_result == job.has_result
    assert (seen.abort_asked, seen.is_waited_for) == (job.abort_asked, job.is_waited_for)
    assert (seen.is_canceller_known, seen.has_quarantine) == (job.abort_asked, False)
    check_time(job, seen, now)
    check_budget(job, seen)


def check_time(job: Job, seen: Seen, now: int) -> None:
    if seen.parked is not None:
        assert seen.parked % 4 == job.priority.rank
        assert seen.parked // 4 <= now
        return
    if job.state is State.RUNNING:
        assert seen.ranks[job.priority.rank] == seen.lease_end
    if job.state in WAITING or job.state is State.RUNNING:
        assert (seen.ranks[job.priority.rank] <= now) == job.is_claimable


def check_budget(job: Job, seen: Seen) -> None:
    """What was spent is what was settled as an error since the last replay, no more."""
    assert len(seen.failures) == job.failures
    since_replay: list[Failure] = []
    for failure in seen.failures:
        since_replay = [] if failure.cause is Cause.REPLAY else [*since_replay, failure]
    assert sum(failure.cause.spends_attempt for failure in since_replay) == job.spent
    assert sum(failure.cause is Cause.CRASH for failure in since_replay) == job.lapses
    if seen.failures:
        last = seen.failures[-1]
        assert (last.spent, last.crashes, last.lapses) == (job.spent, job.crashes, job.lapses)
    if job.state in FINAL and job.state is not State.DEAD:
        assert not seen.has_counter
