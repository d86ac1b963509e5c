"""How `monarq dead` reads its options."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from monarq.jobs.cli import app as command_line
from monarq.jobs.cli.letter_options import read_rate, read_time


@pytest.mark.parametrize(
    ("text", "per_second"), [("50/s", 50), ("50", 50), ("3000/m", 50), ("1800/h", 0.5), ("0.5/s", 0.5)]
)
def test_a_rate_is_read(text: str, per_second: float) -> None:
    assert read_rate(text) == pytest.approx(per_second)


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1/s", "fast", "50/d", "1e400", "50 /s", "9" * 400])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="no rate"):
        read_rate(text)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("1.5h", timedelta(hours=1.5)),
        ("7d", timedelta(days=7)),
        ("4w", timedelta(weeks=4)),
    ],
)
def test_a_time_may_be_how_long_ago_it_was(text: str, ago: timedelta) -> None:
    assert abs(datetime.now(UTC) - ago - read_time(text)) < timedelta(seconds=10)


def test_a_time_may_be_a_time() -> None:
    assert read_time("2026-01-31T09:00:00+01:00") == datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31T09:00:00", "9999999d", "99999999999999999w", ""])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        read_time(text)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["list", "--fingerprint", "xyz"], "fingerprint"),
        (["groups", "--since", "soon"], "--since"),
        (["replay", "--all", "--rate", "0"], "--rate"),
        (["replay", "--all", "--canary", "-1"], "--canary"),
        (["replay"], "--all"),
        (["replay", "a", "--kind", "k"], "either"),
        (["replay", "a", "--all"], "either"),
        (["discard"], "--all"),
        (["discard", "a", "--all"], "either"),
        (["replay", "--all", "--edit", "{}"], "--edit"),
        (["replay", "a", "b", "--edit", "{}"], "--edit"),
        (["replay", "a", "--edit", "{"], "--edit"),
        (["replay", "a", "--edit", "{}", "--rate", "5"], "--rate"),
        (["replay", "--since", "1h", "--until", "2h", "--yes"], "since"),
    ],
)
def test_an_unusable_option_is_named_before_anything_is_asked(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(["dead", *arguments]) == 2
    assert named in capsys.readouterr().err
