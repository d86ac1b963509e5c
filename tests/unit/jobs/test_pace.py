"""How fast a replay goes: on a clock that the test moves."""

import pytest

from monarq.jobs.store.pace import Pace


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def sent(pace: Pace, clock: Clock, total: int) -> list[tuple[float, int]]:
    """When how many have gone, if each waits as long as it is told."""
    gone = []
    while total > 0:
        count = min(pace.stride, total)
        clock.now += pace.wait(count)
        gone.append((clock.now, count))
        total -= count
    return gone


@pytest.mark.parametrize("rate", [0.5, 1, 7, 50, 333, 5_000])
def test_no_second_sees_more_than_the_rate(rate: float) -> None:
    clock = Clock()
    pace = Pace(rate, most=100, clock=clock)
    gone = sent(pace, clock, 1_000)
    for at, _ in gone:
        within = sum(count for other, count in gone if at <= other < at + 1)
        assert within <= rate + pace.stride


@pytest.mark.parametrize("rate", [0.5, 7, 50, 333])
def test_the_rate_is_reached(rate: float) -> None:
    clock = Clock()
    pace = Pace(rate, most=100, clock=clock)
    gone = sent(pace, clock, 500)
    assert gone[-1][0] - gone[0][0] == pytest.approx((500 - gone[-1][1]) / rate)


def test_time_that_was_not_used_is_no_credit() -> None:
    """Else a minute's wait for the canaries would end in a burst."""
    clock = Clock()
    pace = Pace(10, most=100, clock=clock)
    pace.wait(1)
    clock.now += 60
    assert pace.wait(1) == 0
    assert pace.wait(1) == pytest.approx(0.1)


def test_without_a_rate_nothing_waits() -> None:
    pace = Pace(None, most=100, clock=Clock())
    assert [pace.wait(100) for _ in range(3)] == [0, 0, 0]
    assert pace.stride == 100
