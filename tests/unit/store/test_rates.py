"""The pace of queues, from looks at their counters."""

from typing import Any

import pytest

from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.rates import Rates


def numbers(at: float, *, ready: int = 0, **counters: int) -> dict[str, QueueNumbers]:
    """One queue, seen at this second."""
    counts: dict[str, Any] = dict.fromkeys(
        ("parked", "running", "scheduled", "retrying", "due_soon", "dead"), 0
    )
    seen = QueueNumbers(
        queue="mail",
        at_ms=round(at * 1000),
        ready=ready,
        oldest_ready=None,
        oldest_parked=None,
        priorities=(),
        counters=counters,
        pauses=(),
        **counts,
    )
    return {"mail": seen}


def test_one_look_tells_no_rate() -> None:
    rates = Rates()
    assert rates.of("mail") is None
    rates.add(numbers(0))
    assert rates.of("mail") is None


def test_two_looks_that_are_too_close_tell_none() -> None:
    rates = Rates()
    rates.add(numbers(0))
    rates.add(numbers(0.1, succeeded=10))
    assert rates.of("mail") is None


def test_a_rate_counts_each_way_to_end() -> None:
    rates = Rates()
    rates.add(numbers(0, ready=100))
    counters = {
        "succeeded": 40,
        "dead": 10,
        "cancelled": 20,
        "expired": 10,
        "retrying": 20,
        "failed:crash": 5,
    }
    rates.add(numbers(10, ready=50, enqueued=30, **counters))
    rate = rates.of("mail")
    assert rate is not None
    assert (rate.over, rate.enqueued, rate.completed, rate.attempts) == (10, 3, 8, 10)
    assert (rate.retried, rate.dead, rate.lost, rate.ready_growth) == (2, 1, 0.5, -5)


def test_a_rate_is_that_of_the_last_minute() -> None:
    rates = Rates()
    for second in range(121):
        rates.add(numbers(second, succeeded=10 * min(second, 60)))
    rate = rates.of("mail")
    assert rate is not None
    assert rate.over == pytest.approx(60, abs=1)
    assert rate.completed == pytest.approx(0, abs=0.2)


def test_looks_that_are_further_apart_than_that_still_tell_one() -> None:
    rates = Rates()
    for look in range(4):
        rates.add(numbers(90 * look, succeeded=900 * look))
    rate = rates.of("mail")
    assert rate is not None
    assert (rate.over, rate.completed) == (90, 10)


def test_looks_that_are_very_far_apart_tell_none() -> None:
    rates = Rates()
    rates.add(numbers(0))
    rates.add(numbers(3_600, succeeded=10))
    assert rates.of("mail") is None


def test_after_counters_went_back_nothing_is_known_until_the_next_look() -> None:
    """The server was flushed, or is another one."""
    rates = Rates()
    rates.add(numbers(0, succeeded=1_000))
    rates.add(numbers(10, succeeded=5))
    assert rates.of("mail") is None
    rates.add(numbers(20, succeeded=15))
    rate = rates.of("mail")
    assert rate is not None
    assert rate.completed == 1


def test_a_queue_that_is_gone_is_forgotten() -> None:
    rates = Rates()
    rates.add(numbers(0))
    rates.add(numbers(10))
    rates.add({})
    assert rates.of("mail") is None
