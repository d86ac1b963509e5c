"""What is wrong, and what only looks so: each rule fires, and each of its conditions silences it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monarq.dashboard.diagnosis import diagnose
from monarq.dashboard.overdue import Overdue
from monarq.dashboard.verdicts import Level, Verdict, judge, span
from monarq.jobs.store.memory import Memory
from monarq.jobs.store.workers import (
    AttemptsReport,
    HistoryReport,
    LiveWorker,
    RunningJob,
    StartsReport,
)

from .present import a_pause, a_rate, a_view, a_worker

OLD = timedelta(minutes=5)
SERVED = a_worker()
BUSY = a_worker(busy=10)


def starts(number: int, late: int, number_lately: int, late_lately: int) -> LiveWorker:
    """A worker that has begun so many jobs of `mail`, of which so many were late."""
    told = StartsReport(
        queue="mail",
        number=number,
        in_time=number - late,
        number_lately=number_lately,
        in_time_lately=number_lately - late_lately,
    )
    return a_worker(starts=(told,))


def ended(kind: str, number: int, failed: int, queue: str = "mail") -> AttemptsReport:
    return AttemptsReport(queue=queue, kind=kind, ended=number, failed=failed)


def verdicts(
    *views: Any, workers: tuple[LiveWorker, ...] = (), memory: Memory | None = None, age: float = 0.0
) -> list[Verdict]:
    return judge([view.facts for view in views], workers, memory, timedelta(seconds=age))


def alerts(*views: Any, **given: Any) -> set[str]:
    return {verdict.alert for verdict in verdicts(*views, **given)}


def test_nothing_is_wrong_with_queues_that_are_empty_or_worked_on() -> None:
    busy = a_view(
        BUSY, ready=3, running=10, oldest_ready=timedelta(seconds=1), rate=a_rate(completed=5, attempts=5)
    )
    assert verdicts(a_view(), a_view(SERVED), a_view(a_worker(), ready=3, running=3), workers=(SERVED,)) == []
    assert alerts(busy) == {"WorkersSaturated"}


RULES: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    # what fires it, and the changes of which each one silences it
    "QueueLate": (
        {"ready": 1, "running": 1, "oldest_ready": OLD, "workers": [SERVED]},
        [{"oldest_ready": timedelta(seconds=60)}, {"objective": 600.0}, {"pauses": (a_pause(),)}],
    ),
    "QueueWaitBudgetBurn": (
        {"running": 1, "workers": [starts(1_000, 150, 100, 15)]},
        [
            {"workers": [starts(1_000, 144, 100, 15)]},
            {"workers": [starts(1_000, 150, 100, 14)]},
            {"workers": [starts(1_000, 150, 0, 0)]},
            {"workers": [starts(20, 20, 20, 20)]},
            {"pauses": (a_pause(),)},
            {"workers": [starts(1_000, 150, 100, 15), starts(1_000, 0, 100, 0)]},
            {"workers": []},
        ],
    ),
    "QueueNoWorkers": (
        {"ready": 142},
        [{"workers": [SERVED]}, {"ready": 0}, {"pauses": (a_pause(),)}, {"parked": 142}],
    ),
    "QueueStalled": (
        {"ready": 1, "workers": [SERVED], "rate": a_rate()},
        [
            {"ready": 0},
            {"running": 1},
            {"rate": None},
            {"rate": a_rate(attempts=0.1)},
            {"rate": a_rate(over=5.0)},
            {"pauses": (a_pause(),)},
            {"workers": []},
        ],
    ),
    "BacklogWillNotDrain": (
        {"ready": 40_000, "running": 1, "workers": [SERVED], "lately": a_rate(attempts=10, ready_growth=1)},
        [
            {"lately": a_rate(attempts=10, ready_growth=0)},
            {"lately": a_rate(attempts=20, ready_growth=1)},
            {"lately": None},
            {"pauses": (a_pause(),)},
        ],
    ),
    "DeadLettersGrowing": ({"lately": a_rate(dead=0.1)}, [{"lately": a_rate()}, {"lately": None}]),
    "RetryStorm": (
        {"lately": a_rate(retried=6, attempts=10)},
        [
            {"lately": a_rate(retried=5, attempts=10)},
            {"lately": a_rate(retried=0.9, attempts=1)},
            {"lately": None},
        ],
    ),
    "JobsLost": ({"lately": a_rate(lost=0.1)}, [{"lately": a_rate()}, {"lately": None}]),
    "WorkersSaturated": (
        {"ready": 1, "running": 10, "workers": [BUSY]},
        [{"workers": [a_worker(busy=9)]}, {"ready": 0}, {"oldest_ready": OLD}, {"pauses": (a_pause(),)}],
    ),
}


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_fires_and_each_of_its_conditions_silences_it(alert: str) -> None:
    fires, silences = RULES[alert]

    def judged(**changes: Any) -> set[str]:
        given = {**fires, **changes}
        return alerts(a_view(*given.pop("workers", []), **given))

    assert alert in judged()
    for change in silences:
        assert alert not in judged(**change), change


def test_a_worker_that_is_blocked_or_behind_with_the_history_is_told() -> None:
    behind = HistoryReport(pending=1, lag_ms=61_000, written=0, dropped=3)
    workers = (
        a_worker("a", loop_lag_ms=1_001),
        a_worker("b", history=behind),
        a_worker("c", loop_lag_ms=999),
    )
    found = {(verdict.alert, verdict.worker) for verdict in verdicts(workers=workers)}
    assert found == {("EventLoopBlocked", "a"), ("HistoryLagging", "b"), ("HistoryDropping", "b")}


@pytest.mark.parametrize(
    ("number", "failed", "fires"), [(100, 6, True), (100, 5, False), (21, 2, True), (20, 20, False)]
)
def test_a_kind_that_fails_too_often_is_told_of_all_workers_and_queues_together(
    number: int, failed: int, fires: bool
) -> None:
    workers = (
        a_worker("a", attempts=(ended("email.send", number - 5, failed - 1), ended("shop.pay", 50, 1))),
        a_worker("b", attempts=(ended("email.send", 5, 1, queue="mail.bulk"),)),
    )
    found = [(one.alert, one.kind, one.level) for one in verdicts(workers=workers)]
    assert found == ([("JobFailureRatioHigh", "email.send", Level.TICKET)] if fires else [])


def test_a_job_that_runs_for_more_than_twice_its_timeout_is_told() -> None:
    def a_run(job_id: str, age_ms: int, timeout_ms: int | None) -> RunningJob:
        told = {"queue": "mail", "kind": "email.send", "attempt": 1}
        return RunningJob(job_id=job_id, age_ms=age_ms, timeout_ms=timeout_ms, **told)  # type: ignore[arg-type]

    runs = (a_run("old", 900_000, None), a_run("hung", 121_000, 60_000), a_run("slow", 120_000, 60_000))
    [verdict] = verdicts(workers=(a_worker("web-1", runs=runs), a_worker("web-2", runs=runs[2:])))
    assert (verdict.alert, verdict.worker) == ("JobRunningTooLong", "web-1")
    assert verdict.sentence == "web-1: a job of email.send has run for 2 min, and its timeout is 60 s: hung"


def test_a_schedule_that_is_overdue_is_told_with_who_could_mend_it() -> None:
    gone = Overdue(queue="mail", name="digest", kind="digest", late=OLD, has_worker=False)
    [verdict] = judge([], [], None, timedelta(0), [gone])
    assert (verdict.alert, verdict.queue) == ("ScheduleMissed", "mail")
    assert verdict.sentence == "digest was due 5 min ago, and no worker has enqueued it"
    assert verdict.command == "monarq worker --queues mail"
    [blocked] = judge([], [], None, timedelta(0), [replace(gone, has_worker=True)])
    assert (blocked.command, "loop" in blocked.mend) == ("", True)


def test_versions_differ_among_those_that_claim() -> None:
    assert alerts(workers=(a_worker("a"), a_worker("b", version="2"))) == {"VersionSkew"}
    assert alerts(workers=(a_worker("a"), a_worker("b", version="2", stopping=True))) == set()


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (None, set()),
        (Memory(used_bytes=80, most_bytes=100, evicts=False), set()),
        (Memory(used_bytes=81, most_bytes=100, evicts=False), {"RedisNearFull"}),
        (Memory(used_bytes=81, most_bytes=0, evicts=False), set()),
        (Memory(used_bytes=1, most_bytes=0, evicts=True), {"RedisEvicts"}),
    ],
)
def test_a_redis_that_is_nearly_full_or_throws_keys_away_is_told(
    memory: Memory | None, expected: set[str]
) -> None:
    assert alerts(memory=memory) == expected


def test_numbers_that_are_old_are_told() -> None:
    assert alerts(age=60) == set()
    assert alerts(age=61) == {"SnapshotStale"}


def test_the_worst_comes_first() -> None:
    late = a_view(SERVED, ready=1, running=1, oldest_ready=OLD, lately=a_rate(dead=1, attempts=1))
    assert [verdict.level for verdict in verdicts(late)] == [Level.PAGE, Level.TICKET]


def test_a_queue_is_in_use_though_a_look_meets_none_of_its_jobs() -> None:
    for completed, state, is_diagnosed in (
        (5.0, "active", False),
        (1 / 60, "idle", True),
        (0.0, "idle", True),
    ):
        view = a_view(SERVED, rate=a_rate(completed=completed))
        assert (view.state, diagnose(view.facts, 0) is not None) == (state, is_diagnosed)


def test_a_queue_without_workers_says_what_to_run() -> None:
    [verdict] = verdicts(a_view(ready=142))
    assert verdict.sentence == "142 ready, no worker listens on mail"
    assert verdict.command == "monarq worker --queues mail"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.25, "250 ms"),
        (1, "1 s"),
        (119, "119 s"),
        (120, "2 min"),
        (3_599, "59 min"),
        (3_600, "1 h"),
        (86_400, "1 d"),
        (200_000, "2 d"),
    ],
)
def test_a_span_is_told_in_words(seconds: float, told: str) -> None:
    assert span(timedelta(seconds=seconds)) == told
