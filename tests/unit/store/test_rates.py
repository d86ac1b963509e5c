"""The pace of queues, from looks at their counters."""

from dataclasses import fields
from typing import Any

import pytest

from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.rates import Rates
from monarq.jobs.store.series import Sample


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


def look(rates: Rates, seen: dict[str, QueueNumbers], past: dict[int, Sample] | None = None) -> None:
    rates.add(seen, {} if past is None else {"mail": past})


def a_sample(**given: int) -> Sample:
    return Sample(**{**{field.name: 0 for field in fields(Sample)}, **given})


def test_one_look_tells_no_rate() -> None:
    rates = Rates()
    assert rates.of("mail") is None
    look(rates, numbers(0))
    assert rates.of("mail") is None


def test_two_looks_that_are_too_close_tell_none() -> None:
    rates = Rates()
    look(rates, numbers(0))
    look(rates, numbers(0.1, succeeded=10))
    assert rates.of("mail") is None


def test_a_rate_counts_each_way_to_end() -> None:
    rates = Rates()
    look(rates, numbers(0, ready=100))
    counters = {
        "succeeded": 40,
        "dead": 10,
        "cancelled": 20,
        "expired": 10,
        "retrying": 20,
        "failed:crash": 5,
    }
    look(rates, numbers(10, ready=50, enqueued=30, **counters))
    rate = rates.of("mail")
    assert rate is not None
    assert (rate.over, rate.enqueued, rate.completed, rate.attempts) == (10, 3, 8, 10)
    assert (rate.retried, rate.dead, rate.lost, rate.ready_growth) == (2, 1, 0.5, -5)


def test_a_rate_is_that_of_the_last_minute() -> None:
    rates = Rates()
    for second in range(121):
        look(rates, numbers(second, succeeded=10 * min(second, 60)))
    rate = rates.of("mail")
    assert rate is not None
    assert rate.over == pytest.approx(60, abs=1)
    assert rate.completed == pytest.approx(0, abs=0.2)


def test_looks_that_are_further_apart_than_that_still_tell_one() -> None:
    rates = Rates()
    for turn in range(4):
        look(rates, numbers(90 * turn, succeeded=900 * turn))
    rate = rates.of("mail")
    assert rate is not None
    assert (rate.over, rate.completed) == (90, 10)


def test_looks_that_are_very_far_apart_tell_none() -> None:
    rates = Rates()
    look(rates, numbers(0))
    look(rates, numbers(3_600, succeeded=10))
    assert rates.of("mail") is None


def test_after_counters_went_back_nothing_is_known_until_the_next_look() -> None:
    """The server was flushed, or is another one."""
    rates = Rates()
    look(rates, numbers(0, succeeded=1_000))
    look(rates, numbers(10, succeeded=5))
    assert rates.of("mail") is None
    look(rates, numbers(20, succeeded=15))
    rate = rates.of("mail")
    assert rate is not None
    assert rate.completed == 1


def test_a_queue_that_is_gone_is_forgotten() -> None:
    rates = Rates()
    look(rates, numbers(0))
    look(rates, numbers(10))
    look(rates, {})
    assert rates.of("mail") is None


def test_what_is_told_of_late_is_of_the_last_quarter_of_an_hour() -> None:
    rates = Rates()
    for minute in range(31):
        look(rates, numbers(60 * minute, dead=min(minute, 20)))
    lately = rates.lately("mail")
    assert lately is not None
    assert lately.over == 900
    assert lately.dead * lately.over == pytest.approx(5)


def test_the_first_look_of_a_process_knows_what_samples_have_seen() -> None:
    rates = Rates()
    past = {60_000 * n: a_sample(succeeded=100 * n, dead=n, ready=n) for n in range(10)}
    assert rates.is_new("mail")
    look(rates, numbers(570, ready=19, succeeded=950, dead=9), past)
    assert not rates.is_new("mail")
    rate, lately = rates.of("mail"), rates.lately("mail")
    assert rate is not None
    assert lately is not None
    assert (rate.over, rate.completed, rate.lost) == (30, pytest.approx(50 / 30), 0)
    assert (lately.over, lately.dead * 570) == (570, pytest.approx(9))


def test_samples_of_a_server_that_was_flushed_since_count_for_nothing() -> None:
    rates = Rates()
    look(rates, numbers(570, succeeded=5), {60_000: a_sample(succeeded=1_000)})
    assert rates.of("mail") is None
