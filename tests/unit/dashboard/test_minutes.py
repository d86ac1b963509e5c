"""From samples of counters to what ended in each step."""

from datetime import timedelta
from typing import Any

import pytest

from monarq.dashboard.services import minutes
from monarq.dashboard.services.series import Metric, values_of
from monarq.dashboard.services.windows import MINUTE, Window
from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.series import MINUTE_MS, Sample

FIRST = 1_800_000_000_000 // 600_000 * 600_000
FIELDS = ("ready", "running", "waiting", "oldest_ms", "enqueued", "started", "succeeded", "retrying")
FIELDS += ("dead", "cancelled", "expired")


def sample(**facts: int) -> Sample:
    return Sample(**dict.fromkeys(FIELDS, 0) | facts)


def taken(**by_name: Any) -> dict[int, Sample]:
    """Samples of succeeding minutes; None where one is missing."""
    [(name, values)] = by_name.items()
    return {
        FIRST + at * MINUTE_MS: sample(**{name: value})
        for at, value in enumerate(values)
        if value is not None
    }


def window(length: int, step: int = 1) -> Window:
    return Window(moment_of(FIRST), moment_of(FIRST + length * MINUTE_MS), step * MINUTE)


def per_minute(*queues: dict[int, Sample], length: int, step: int = 1) -> list[float | None]:
    it = window(length, step)
    return values_of(Metric.THROUGHPUT, it, minutes.tallies_of(queues, it))["succeeded"]


def test_what_ended_in_a_minute_is_the_difference_of_two_samples() -> None:
    assert per_minute(taken(succeeded=[5, 8, 8, 18]), length=3) == [3, 0, 10]


def test_the_minute_that_has_no_sample_after_it_is_not_known() -> None:
    assert per_minute(taken(succeeded=[5, 8]), length=3) == [3, None, None]


def test_a_missing_sample_is_bridged_and_nothing_is_lost() -> None:
    told = per_minute(taken(succeeded=[0, None, None, 10, 11]), length=4)
    assert told == [3, 3, 4, 1]


def test_of_a_long_gap_nothing_is_told() -> None:
    values = [0, *[None] * 6, 70, 71]
    assert per_minute(taken(succeeded=values), length=8) == [None] * 7 + [1]


def test_a_counter_that_begins_anew_counts_from_there() -> None:
    assert per_minute(taken(succeeded=[100, 110, 4, 6]), length=3) == [10, 4, 2]


def test_a_step_is_told_by_the_minutes_of_it_that_are_known() -> None:
    assert per_minute(taken(succeeded=[0, 2, 4, 6]), length=10, step=5) == [2, None]


def test_queues_are_added_up() -> None:
    assert per_minute(taken(succeeded=[0, 1]), taken(succeeded=[7, 9]), length=1) == [3]


def test_the_oldest_age_of_a_step_is_the_largest_of_all_queues() -> None:
    queues = [taken(oldest_ms=[1_000, 9_000, 0]), taken(oldest_ms=[0, 2_000, None])]
    assert minutes.oldest_ages(queues, window(4, 2)) == [9.0, 0.0]
    assert minutes.oldest_ages([], window(2)) == [None, None]


def test_the_failure_rate_leaves_out_whom_nobody_let_run() -> None:
    samples = {FIRST: sample(), FIRST + MINUTE_MS: sample(succeeded=3, dead=1, cancelled=50, expired=6)}
    it = window(1)
    told = values_of(Metric.FAILURE_RATE, it, minutes.tallies_of([samples], it))
    assert told == {"failure_rate": [0.25]}


def test_a_line_of_a_list_counts_every_end() -> None:
    samples = {FIRST: sample(), FIRST + MINUTE_MS: sample(succeeded=3, dead=1, cancelled=50, expired=6)}
    assert minutes.per_step(samples, window(2)) == [60, None]


@pytest.mark.parametrize("at", [None, timedelta(0), timedelta(minutes=1)])
def test_known_until_is_the_newest_sample(at: timedelta | None) -> None:
    queues = [] if at is None else [{FIRST: sample(), FIRST + round(at.total_seconds() * 1000): sample()}]
    assert minutes.known_until(queues) == (None if at is None else moment_of(FIRST) + at)
