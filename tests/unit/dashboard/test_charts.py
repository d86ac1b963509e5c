"""A chart is a table first: its rows say what its lines show."""

from datetime import UTC, datetime, timedelta
from typing import Any

from monarq.dashboard.pages.charts import Chart, Line, Unit
from monarq.dashboard.services.windows import Window

NOON = datetime(2026, 3, 31, 12, tzinfo=UTC)
STEP = timedelta(minutes=10)


def chart(*values: float | None, known_until: datetime | None = NOON + 2 * STEP, **facts: Any) -> Chart:
    blank: dict[str, Any] = {"id": "x", "title": "X", "about": "y", "unit": Unit.SECONDS}
    window, lines = Window(NOON, NOON + len(values) * STEP, STEP), [Line("p50", "blue", values)]
    return Chart(**blank | facts, window=window, lines=lines, known_until=known_until)


def test_rows_are_the_newest_first_and_those_that_nobody_knows_are_left_out() -> None:
    rows = chart(1.0, None, 3.0).rows
    assert [(row.number, row.start, row.values) for row in rows] == [
        (2, NOON + 2 * STEP, [3.0]),
        (0, NOON, [1.0]),
    ]


def test_a_step_that_ends_after_what_is_known_is_not_whole() -> None:
    assert [row.is_whole for row in chart(1.0, 2.0, 3.0).rows] == [False, True, True]
    assert [row.is_whole for row in chart(1.0, known_until=None).rows] == [False]
    assert str(chart(1.0, known_until=None).body).count("(so far)") == 1


def test_a_chart_of_nothing_has_no_rows() -> None:
    assert chart().rows == []
    missing = Chart(id="x", title="X", about="y", unit=Unit.PER_CENT, missing="why")
    assert (missing.rows, missing.body) == ([], "")


def test_times_have_a_log_axis_and_counts_have_none() -> None:
    assert chart(1.0).has_log_axis
    assert not chart(1.0, unit=Unit.PER_MINUTE).has_log_axis


def test_numbers_are_plain_ones_of_three_digits_in_the_unit_of_the_column() -> None:
    assert [Unit.SECONDS.write(value) for value in (0.012345, 0.0, 59.96, 3600.0)] == [
        *("0.0123", "0", "60", "3600"),
    ]
    assert [Unit.PER_CENT.write(value) for value in (0.0345, 1.0)] == ["3.45", "100"]
    assert Unit.PER_MINUTE.write(1234.5) == "1234"
    assert Unit.SECONDS.write(0.000001) == "0"
    assert Unit.SECONDS.write(None) == "\N{EN DASH}"


def test_a_month_of_four_lines_is_written_short() -> None:
    values = [(number * 7919 % 1000) / 7 for number in range(181)]
    assert len(chart(*values, known_until=NOON + 181 * STEP).body) < 181 * 60
