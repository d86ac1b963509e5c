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
    assert [(start, values) for start, _, values in rows] == [(NOON + 2 * STEP, [3.0]), (NOON, [1.0])]


def test_a_step_that_ends_after_what_is_known_is_not_whole() -> None:
    assert [is_whole for _, is_whole, _ in chart(1.0, 2.0, 3.0).rows] == [False, True, True]
    assert [is_whole for _, is_whole, _ in chart(1.0, known_until=None).rows] == [False]


def test_a_chart_of_nothing_has_no_rows() -> None:
    assert chart().rows == []
    assert Chart(id="x", title="X", about="y", unit=Unit.SHARE, missing="why").rows == []


def test_times_have_a_log_axis_and_counts_have_none() -> None:
    assert chart(1.0).has_log_axis
    assert not chart(1.0, unit=Unit.PER_MINUTE).has_log_axis


def test_numbers_are_written_in_their_unit() -> None:
    assert Unit.SECONDS.write(0.25) == "250 ms"
    assert [Unit.SHARE.write(value) for value in (0.034, 0.0, 1.0)] == ["3.4 %", "0 %", "100 %"]
    assert Unit.PER_MINUTE.write(1234.0) == "1,234"
    assert Unit.SECONDS.write(None) == "\N{EN DASH}"
