"""Reading Retry-After."""

from datetime import UTC, datetime, timedelta

import pytest

from monarq.jobs.catalog.retry_after import LONGEST, SHORTEST, retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", timedelta(seconds=7)),
        (" 120 ", timedelta(minutes=2)),
        ("Sun, 01 Mar 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sunday, 01-Mar-26 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 01 Mar 2026 13:00:30 +0100", timedelta(seconds=30)),
        ("Sun, 01 Mar 2026 12:00:30 -0000", timedelta(seconds=30)),
    ],
)
def test_seconds_and_dates_are_read(header: str, wait: timedelta) -> None:
    assert retry_after(header, NOW) == wait


@pytest.mark.parametrize("header", ["3601", "99999999999999999999", "Mon, 01 Mar 2100 12:00:00 GMT"])
def test_no_server_puts_a_job_off_for_ever(header: str) -> None:
    assert retry_after(header, NOW) == LONGEST


@pytest.mark.parametrize("header", ["0", "Sun, 01 Mar 2020 12:00:00 GMT"])
def test_no_server_makes_a_busy_loop(header: str) -> None:
    assert retry_after(header, NOW) == SHORTEST


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "Sun, 99 Mar 2026", "\u0663", "1e3"])
def test_what_cannot_be_read_is_no_wait(header: str | None) -> None:
    assert retry_after(header, NOW) is None
