"""What is read from counts of jobs."""

import pytest

from monarq.jobs.store.tally import Tally, surely


def test_rates_are_of_those_whose_handler_had_its_say() -> None:
    tally = Tally(succeeded=6, dead=2, cancelled=90, expired=2, recovered=3)
    assert (tally.ended, tally.failure_rate, tally.recovery_rate) == (100, 0.25, 0.5)


def test_of_nothing_there_is_no_rate() -> None:
    assert (Tally().failure_rate, Tally().recovery_rate, Tally().run.p50) == (None, None, None)
    assert surely(0, 0) == 0


def test_what_was_seen_often_counts_for_more_than_what_was_seen_once() -> None:
    assert surely(50, 100) > surely(1, 1) > surely(1, 2) > surely(0, 5)


@pytest.mark.parametrize(("part", "whole"), [(0, 1), (1, 1), (3, 7), (10**9, 10**9)])
def test_the_sure_share_is_a_share(part: int, whole: int) -> None:
    assert 0 <= surely(part, whole) <= part / whole
