"""From when to when is told, in which steps, and never in more of them than anybody can look at."""

from datetime import UTC, datetime, timedelta

import pytest

from monarq.dashboard.errors import InvalidRequest
from monarq.dashboard.services.windows import DAY, HOUR, LONGEST, MINUTE, MOST_POINTS, Range, Window, Wish

NOW = datetime(2026, 3, 31, 14, 7, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("range_", "finest", "step", "since", "points"),
    [
        (Range.HOUR, MINUTE, MINUTE, datetime(2026, 3, 31, 13, 7, tzinfo=UTC), 61),
        (Range.HOUR, 5 * MINUTE, 5 * MINUTE, datetime(2026, 3, 31, 13, 5, tzinfo=UTC), 13),
        (Range.DAY, MINUTE, 10 * MINUTE, datetime(2026, 3, 30, 14, 0, tzinfo=UTC), 145),
        (Range.WEEK, MINUTE, HOUR, datetime(2026, 3, 24, 14, 0, tzinfo=UTC), 169),
        (Range.MONTH, MINUTE, 4 * HOUR, datetime(2026, 3, 1, 12, 0, tzinfo=UTC), 181),
    ],
)
def test_a_range_ends_with_the_step_that_it_is_now(
    range_: Range, finest: timedelta, step: timedelta, since: datetime, points: int
) -> None:
    window = Wish(range=range_).window(NOW, finest)
    assert (window.step, window.since, len(window.starts)) == (step, since, points)
    assert window.starts[-1] <= NOW < window.until


def test_an_end_that_is_a_whole_step_begins_no_other() -> None:
    window = Wish(
        since=NOW.replace(minute=0, second=0), until=NOW.replace(hour=15, minute=0, second=0)
    ).window(NOW, MINUTE)
    assert len(window.starts) == 60


def test_without_anything_it_is_the_last_day() -> None:
    assert Wish().window(NOW, MINUTE) == Wish(range=Range.DAY).window(NOW, MINUTE)
    assert Wish(until=NOW).window(NOW, MINUTE) == Wish(range=Range.DAY).window(NOW, MINUTE)


@pytest.mark.parametrize(
    ("wish", "parameter"),
    [
        (Wish(since=NOW, until=NOW), "from"),
        (Wish(since=NOW + HOUR), "from"),
        (Wish(since=NOW - LONGEST - MINUTE), "from"),
        (Wish(range=Range.DAY, since=NOW - HOUR), "range"),
        (Wish(step=timedelta(seconds=61)), "step"),
        (Wish(range=Range.MONTH, step=10 * MINUTE), "step"),
    ],
)
def test_what_cannot_be_told_is_refused_by_the_parameter(wish: Wish, parameter: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        wish.window(NOW, MINUTE)
    assert list(refused.value.faults) == [parameter]


@pytest.mark.parametrize("span", [MINUTE, HOUR, 7 * HOUR, DAY, 2 * DAY, 5 * DAY, 8 * DAY, 31 * DAY, LONGEST])
def test_whatever_is_asked_for_has_a_bounded_number_of_points(span: timedelta) -> None:
    for finest in (MINUTE, 5 * MINUTE, HOUR):
        assert len(Wish(since=NOW - span).window(NOW, finest).starts) <= 250 < MOST_POINTS


def test_steps_begin_where_every_window_has_them() -> None:
    window = Window(datetime(2026, 3, 30, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC), 4 * HOUR)
    assert window.start_of(datetime(2026, 3, 30, 11, 59, tzinfo=UTC)) == window.starts[2]
