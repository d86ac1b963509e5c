"""How many workers a queue wants."""

import pytest

from monarq.dashboard.services.fleet import scaling_of

from .present import a_pause, a_rate, a_view, a_worker


def wanted(*args: object, **given: object) -> int:
    return scaling_of(a_view(*args, **given), 100).desired_workers  # type: ignore[arg-type]


def test_an_empty_queue_wants_none() -> None:
    assert wanted() == 0
    assert wanted(a_worker()) == 0


def test_what_runs_keeps_its_workers_although_nothing_waits() -> None:
    """Scaling by the backlog alone would take busy workers away."""
    assert wanted(a_worker(), a_worker(), running=15) == 2


def test_one_job_wants_one_worker() -> None:
    assert wanted(ready=1) == 1
    assert wanted(due_soon=1) == 1
    assert wanted(a_worker(), ready=1, running=1, rate=a_rate(completed=1_000)) == 1


def test_while_nothing_is_known_each_job_gets_a_slot() -> None:
    assert wanted(ready=250) == 3
    assert wanted(a_worker(slots=50), ready=250) == 5


@pytest.mark.parametrize(("objective", "workers"), [(60.0, 3), (10.0, 11), (600.0, 2)])
def test_a_backlog_wants_as_many_as_drain_it_within_the_objective(objective: float, workers: int) -> None:
    """10 run and 10 end per second: a job takes a second; 1,000 jobs in 60 s want 17 slots more."""
    view = {"ready": 1_000, "running": 10, "rate": a_rate(completed=10), "objective": objective}
    assert wanted(a_worker(slots=10), **view) == workers


def test_never_more_slots_than_jobs() -> None:
    assert wanted(a_worker(), ready=10, running=10, rate=a_rate(completed=0.001)) == 2


def test_a_paused_queue_wants_those_for_what_runs_only() -> None:
    assert wanted(ready=1_000, due_soon=10, pauses=(a_pause(),)) == 0
    assert wanted(a_worker(), ready=1_000, running=5, pauses=(a_pause(),)) == 1


def test_what_waits_for_the_resume_of_its_kind_wants_none() -> None:
    assert wanted(ready=1_000, parked=1_000, pauses=(a_pause("email.send"),)) == 0
