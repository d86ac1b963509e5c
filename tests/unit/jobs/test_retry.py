"""How long a failed job waits for its next attempt."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.control import Discard, Retry
from monarq.jobs.errors import DefinitionError
from monarq.jobs.retry import Backoff, as_backoff, exponential, fixed, linear

SECOND = timedelta(seconds=1)


class AlwaysHighest(Random):
    """A random source that gives the upper bound of what it is asked for."""

    def uniform(self, a: float, b: float) -> float:
        return b


def waits(policy: Backoff, attempts: int = 5) -> list[float]:
    return [policy.delay(attempt, AlwaysHighest()).total_seconds() for attempt in range(1, attempts + 1)]


def test_fixed_waits_the_same_each_time() -> None:
    assert waits(fixed(3)) == [3, 3, 3, 3, 3]


def test_linear_grows_by_its_step_up_to_its_limit() -> None:
    assert waits(linear(10, limit=35)) == [10, 20, 30, 35, 35]


def test_exponential_doubles_up_to_its_limit() -> None:
    assert waits(exponential(5, limit=30)) == [5, 10, 20, 30, 30]


def test_exponential_takes_its_factor() -> None:
    assert waits(exponential(1, factor=10, limit=timedelta(days=1)), 4) == [1, 10, 100, 1000]


def test_the_default_goes_from_5_seconds_to_an_hour() -> None:
    assert waits(exponential(), 12)[0] == 5
    assert waits(exponential(), 12)[-1] == 3600


def test_full_jitter_asks_the_random_source_for_anything_between_zero_and_the_bound() -> None:
    asked: list[tuple[float, float]] = []

    class Asked(Random):
        def uniform(self, a: float, b: float) -> float:
            asked.append((a, b))
            return b / 4

    assert exponential(8).delay(2, Asked()) == 4 * SECOND
    assert asked == [(0, 16)]


def test_without_jitter_the_random_source_is_not_asked() -> None:
    class Untouched(Random):
        def uniform(self, a: float, b: float) -> float:
            raise AssertionError("asked")

    assert exponential(8, jitter=False).delay(2, Untouched()) == 16 * SECOND


def test_jobs_that_failed_together_do_not_come_back_together() -> None:
    random = Random(7)
    delays = {exponential(5).delay(3, random) for _ in range(100)}
    assert len(delays) == 100


def test_a_list_gives_its_waits_in_order_and_repeats_the_last() -> None:
    assert waits(as_backoff([1, timedelta(seconds=5), 30])) == [1, 5, 30, 30, 30]


@pytest.mark.parametrize("answer", [7, 7.0, timedelta(seconds=7)])
def test_a_function_is_asked_with_the_attempt(answer: float | timedelta) -> None:
    asked: list[int] = []

    def policy(attempt: int) -> float | timedelta:
        asked.append(attempt)
        return answer

    assert waits(as_backoff(policy), 3) == [7, 7, 7]
    assert asked == [1, 2, 3]


def test_a_function_that_gives_a_negative_wait_gives_none() -> None:
    assert waits(as_backoff(lambda attempt: -attempt), 2) == [0, 0]


def test_a_policy_is_taken_as_it_is() -> None:
    policy = fixed(1)
    assert as_backoff(policy) is policy


def test_a_policy_is_a_value() -> None:
    assert exponential(5) == exponential(timedelta(seconds=5))
    assert hash(as_backoff([1, 2])) == hash(as_backoff([1, 2]))


@given(
    policy=st.sampled_from(
        [exponential(), exponential(86400, factor=1e300), linear(3600, 86400), fixed(0), as_backoff([1])]
    ),
    attempt=st.integers(1, 2**31),
    seed=st.integers(),
)
def test_no_attempt_is_too_late_for_a_policy(policy: Backoff, attempt: int, seed: int) -> None:
    delay = policy.delay(attempt, Random(seed))
    assert timedelta(0) <= delay <= timedelta(days=1)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (lambda: fixed(-1), "wait"),
        (lambda: fixed("soon"), "wait"),  # type: ignore[arg-type]
        (lambda: linear(-1), "step"),
        (lambda: linear(1, limit=-1), "limit"),
        (lambda: exponential(-1), "first"),
        (lambda: exponential(float("nan")), "first"),
        (lambda: exponential(limit=float("inf")), "limit"),
        (lambda: exponential(factor=0.9), "factor"),
        (lambda: exponential(factor=float("nan")), "factor"),
        (lambda: exponential(factor=float("inf")), "factor"),
        (lambda: exponential(factor="2"), "factor"),  # type: ignore[arg-type]
        (lambda: as_backoff([]), "backoff"),
        (lambda: as_backoff([1, -1]), "backoff"),
        (lambda: as_backoff([None]), "backoff"),  # type: ignore[list-item]
        (lambda: as_backoff("123"), "backoff"),  # type: ignore[arg-type]
        (lambda: as_backoff(5), "backoff"),  # type: ignore[arg-type]
        (lambda: as_backoff(None), "backoff"),  # type: ignore[arg-type]
    ],
)
def test_an_unusable_option_is_named(make: Callable[[], Any], option: str) -> None:
    with pytest.raises(DefinitionError, match=f"^{option}: "):
        make()


@pytest.mark.parametrize("defer", [90, 90.0, timedelta(seconds=90)])
def test_retry_takes_seconds_or_a_timedelta(defer: float | timedelta) -> None:
    assert Retry(defer).defer == timedelta(seconds=90)
    assert str(Retry(defer)) == "retry in 90 s"


def test_retry_alone_leaves_the_wait_to_the_policy() -> None:
    assert Retry().defer is None


def test_discard_keeps_its_reason() -> None:
    assert Discard("no such user").reason == str(Discard("no such user")) == "no such user"
