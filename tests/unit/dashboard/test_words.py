"""Numbers and times in words."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from monarq.dashboard.pages import words

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "0"), (1234, "1,234"), (None, "\N{EN DASH}"), (0.5, "0.50"), (1234.56, "1,234.6"), (2.0, "2")],
)
def test_a_number_has_thousands_apart(value: float | None, expected: str) -> None:
    assert words.number(value) == expected


def test_a_count_that_was_capped_says_so() -> None:
    assert (words.count_of(10_000, True), words.count_of(10_000)) == ("10,000+", "10,000")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.00042, "0.42 ms"),
        (0.35, "350 ms"),
        (0.9999, "1.00 s"),
        (1.236, "1.24 s"),
        (59.95, "60.0 s"),
        (200, "3 min 20 s"),
        (300, "5 min"),
        (3_600, "1 h"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=4, hours=3), "4 d 3 h"),
        (-1.5, "-1.50 s"),
        (None, "\N{EN DASH}"),
    ],
)
def test_a_duration_is_told_in_two_units_at_most(value: float | timedelta | None, expected: str) -> None:
    assert words.duration(value) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s ago"),
        (-0.5, "0 s ago"),
        (-5, "in 5 s"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7_200, "2 h ago"),
        (86_400 * 3, "3 d ago"),
    ],
)
def test_an_age_is_rough(seconds: float, expected: str) -> None:
    assert words.ago(NOW - timedelta(seconds=seconds), NOW) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(999, "999 B"), (1_500, "1.5 KB"), (2_000_000, "2.0 MB"), (3e12, "3000.0 GB")]
)
def test_bytes_have_a_unit(value: float, expected: str) -> None:
    assert words.bytes_in_words(value) == expected


@pytest.mark.parametrize("text", ["mail", "a.b*c", "a/b+c@d-e:f", "(x)[y]{z}|^$\\?"])
def test_a_pattern_fits_its_text_and_nothing_else(text: str) -> None:
    pattern = words.pattern(text)
    assert re.fullmatch(pattern, text)
    assert not re.fullmatch(pattern, text + "x")
    assert not re.fullmatch(pattern, text.replace(".", "x")) or "." not in text


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/156.0.0.0 Safari/537.36",
            "Chrome 156 on Linux",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/26.1 Safari/605.1.15",
            "Safari 26 on macOS",
        ),
        ("curl/8.1", "curl/8.1"),
        ("", "unknown"),
    ],
)
def test_a_browser_is_told_by_its_name(agent: str, expected: str) -> None:
    assert words.browser(agent) == expected
