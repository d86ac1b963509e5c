"""How `monarq enqueue` reads its arguments."""

import pytest

from monarq.jobs.cli import app as command_line
from monarq.producer.cli import fill_in_wait


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["k", "--wait"], ["k", "--wait", "inf"]),
        (["k", "--wait", "5"], ["k", "--wait", "5"]),
        (["--wait", "0.5", "k"], ["--wait", "0.5", "k"]),
        (["k", "--wait", "--json"], ["k", "--wait", "inf", "--json"]),
        (["--wait", "k"], ["--wait", "inf", "k"]),
        (["k", "--wait=5"], ["k", "--wait=5"]),
    ],
)
def test_wait_stands_alone_or_with_seconds(given: list[str], read: list[str]) -> None:
    assert fill_in_wait(given) == read


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--args", "{"], "--args"),
        (["--args", "3"], "--args"),
        (["--at", "tomorrow"], "--at"),
        (["--at", "2030-01-01T00:00:00"], "zone"),
        (["--delay", "soon"], "--delay"),
    ],
)
def test_an_unusable_option_is_named_before_anything_is_sent(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.run(["enqueue", "kind", *arguments]) == 2
    assert named in capsys.readouterr().err
