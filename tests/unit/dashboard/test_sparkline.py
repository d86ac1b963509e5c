"""The line in a list: a picture that needs no script, and says in words what it shows."""

import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tests.meta.repository import ROOT

TEMPLATES = Path(ROOT) / "dashboard" / "templates"


def drawn(values: Sequence[float | None], label: str = "ended", **options: float) -> str:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    part = environment.get_template("parts/sparkline.html").module
    return str(part.sparkline(values, label, **options))  # type: ignore[attr-defined]


def path(svg: str) -> str:
    [found] = re.findall(r' d="([^"]*)"', svg)
    return str(found)


def heights(svg: str) -> list[float]:
    return [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path(svg))]


def test_the_largest_value_is_highest_and_zero_lies_at_the_bottom() -> None:
    svg = drawn([0, 5, 10])
    assert heights(svg) == [18.5, 10.0, 1.5]
    assert "ended: 10, at most 10" in svg


def test_a_gap_is_no_line_and_a_lonely_point_is_a_dot() -> None:
    assert path(drawn([1, 2, None, 3, 4])).count("M") == 2
    assert path(drawn([None, 1, None])).endswith("h0")
    assert path(drawn([None, None, 1])).endswith("h0")


def test_nothing_known_is_told_and_nothing_but_zeros_is_a_line() -> None:
    assert "nothing is known" in drawn([])
    assert "nothing is known" in drawn([None, None])
    assert set(heights(drawn([0, 0, 0]))) == {18.5}


def test_several_lines_can_share_one_scale() -> None:
    assert heights(drawn([5, 5], top=10)) == [10.0, 10.0]
    assert heights(drawn([50], top=10)) == [1.5]


def test_a_label_cannot_leave_its_place() -> None:
    svg = drawn([1], '"><script>alert(1)</script>')
    assert "<script" not in svg
    assert svg.count("<path") == 1


def test_it_stays_small() -> None:
    assert len(drawn([float(number % 17) for number in range(60)])) < 1_200
