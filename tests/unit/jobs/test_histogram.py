"""Percentiles from counts: as good as the buckets, and never out of them."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.histogram import BOUNDS_MS, BUCKETS, quantile, share_within

TIMES = st.lists(st.integers(0, 5_000_000), min_size=1, max_size=200)


def counted(times: list[int]) -> list[int]:
    counts = [0] * BUCKETS
    for time in times:
        counts[bisect_left(BOUNDS_MS, time)] += 1
    return counts


def test_none_have_no_percentile() -> None:
    assert quantile([0] * BUCKETS, 0.5) is None
    assert share_within([0] * BUCKETS, 100) is None


def test_times_lie_evenly_within_their_bucket() -> None:
    counts = counted([60] * 100)  # between 50 and 100
    assert quantile(counts, 0.5) == 75
    assert quantile(counts, 0.99) == pytest.approx(99.5)
    assert share_within(counts, 75) == pytest.approx(0.5)


def test_the_first_bucket_begins_at_nothing_and_the_last_is_told_as_its_bound() -> None:
    assert quantile(counted([1, 2]), 0.5) == 2.5
    assert quantile(counted([4_000_000]), 0.5) == BOUNDS_MS[-1]
    assert share_within(counted([4_000_000, 1]), 3_600_000) == 0.5


def test_a_time_that_is_a_bound_lies_below_it() -> None:
    assert counted([5])[0] == 1
    assert quantile(counted([5]), 1.0) == 5


@given(TIMES, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_in_the_bucket_of_the_exact_one(times: list[int], share: float) -> None:
    rank = max(0, -int(-share * len(times) // 1) - 1)
    exact = sorted(times)[rank]
    at = bisect_left(BOUNDS_MS, exact)
    lower = BOUNDS_MS[at - 1] if at else 0
    upper = BOUNDS_MS[min(at, len(BOUNDS_MS) - 1)]
    found = quantile(counted(times), share)
    assert found is not None
    assert min(lower, upper) <= found <= upper


@given(TIMES, st.integers(0, 4_000_000))
def test_a_share_is_between_those_of_the_bounds_around_it(times: list[int], limit: int) -> None:
    at = bisect_left(BOUNDS_MS, limit)
    lower = BOUNDS_MS[at - 1] if at else -1
    upper = BOUNDS_MS[at] if at < len(BOUNDS_MS) else None
    found = share_within(counted(times), limit)
    assert found is not None
    assert sum(time <= lower for time in times) / len(times) - 1e-9 <= found
    if upper is not None:
        assert found <= sum(time <= upper for time in times) / len(times) + 1e-9
