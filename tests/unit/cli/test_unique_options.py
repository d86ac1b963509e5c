"""How `monarq enqueue` makes a unique rule of its options."""

from datetime import timedelta

import pytest
import typer

from monarq.jobs import Unique
from monarq.producer.unique_options import rule_of

OWN = Unique(by=["month"], until="success")


def test_without_an_option_there_is_no_rule_but_the_kinds_own() -> None:
    assert rule_of(OWN, None, None, None) is None
    assert rule_of(None, None, None, None) is None


@pytest.mark.parametrize(
    ("text", "by"), [("month", ["month"]), ("month, shop", ["month", "shop"]), ("*", None), ("", [])]
)
def test_names_are_separated_by_commas(text: str, by: list[str] | None) -> None:
    assert rule_of(None, text, None, None) == Unique(by=by)


@pytest.mark.parametrize(
    ("text", "until"), [("start", "start"), ("success", "success"), ("2.5", timedelta(seconds=2.5))]
)
def test_until_is_a_word_or_seconds(text: str, until: str) -> None:
    assert rule_of(None, None, text, None) == Unique(until=until)  # type: ignore[arg-type]


def test_options_change_the_kinds_own_rule() -> None:
    assert rule_of(OWN, None, None, "reject") == Unique(by=["month"], until="success", on_conflict="reject")
    assert rule_of(OWN, "*", None, None) == Unique(until="success")


@pytest.mark.parametrize(
    ("options", "named"),
    [((None, "never", None), "until"), ((None, "0", None), "until"), ((None, None, "x"), "on_conflict")],
)
def test_an_unusable_option_is_named(options: tuple[str | None, str | None, str | None], named: str) -> None:
    with pytest.raises(typer.BadParameter, match=f"^{named}: "):
        rule_of(OWN, *options)
