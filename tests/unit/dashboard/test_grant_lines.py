"""Grants as people write them."""

import pytest

from monarq.dashboard.access.grants import Grant
from monarq.dashboard.access.lines import read_lines, write_lines
from monarq.dashboard.errors import InvalidRequest


def test_lines_are_read_and_written_alike() -> None:
    text = "operator queues=mail*,default kinds=send_* from=10.0.0.0/8\njobs:read,jobs:cancel:own\nviewer"
    grants = read_lines(text, "#/grants")
    assert write_lines(grants) == text
    assert grants[1] == Grant(permissions=("jobs:read", "jobs:cancel:own"))
    assert grants[0].queues == ("mail*", "default")


def test_empty_lines_say_nothing() -> None:
    assert read_lines("\n  \n viewer \r\n\n", "#/grants") == (Grant(role="viewer"),)
    assert read_lines("", "#/grants") == ()


@pytest.mark.parametrize(
    "line",
    [
        "jobs:fly",
        "viewer queue=mail",
        "viewer mail",
        "viewer queues=",
        "viewer from=here",
        "viewer role=admin",
        "viewer permissions=jobs:read",
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(line: str) -> None:
    with pytest.raises(InvalidRequest) as told:
        read_lines(f"viewer\n{line}", "#/grants")
    assert told.value.faults["#/grants"].startswith("line 2: ")
