"""Rules and dashboards ask for metrics that there are: all that is served is in the guide."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.prometheus import DASHBOARDS, ROOT, RULES

_PARTS = re.compile(r"_(bucket|sum|count)$")
_ASKED = re.compile(r"(?<![\w:])monarq_\w+")


def _served() -> set[str]:
    guide = ROOT / "docs" / "guides" / "metrics.md"
    return set(re.findall(r"`(monarq_\w+)`", guide.read_text(encoding="utf-8")))


def _board(path: Path) -> dict[str, Any]:
    board: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return board


@pytest.mark.parametrize("path", [RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_is_served(path: Path) -> None:
    asked = set(_ASKED.findall(path.read_text(encoding="utf-8")))
    served = _served()
    assert len(asked) > 5
    assert {name for name in asked if not {name, _PARTS.sub("", name)} & served} == set()


def test_every_metric_is_drawn_or_wakes_somebody() -> None:
    paths = [RULES, *DASHBOARDS]
    asked = {_PARTS.sub("", name) for path in paths for name in _ASKED.findall(path.read_text("utf-8"))}
    assert _served() - asked == set()


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_panels_have_numbers_of_their_own_and_do_not_overlap(path: Path) -> None:
    panels = _board(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    covered = [cell for panel in panels for cell in _cells(panel["gridPos"])]
    assert len(covered) == len(set(covered))
    assert max(x for x, _ in covered) < 24


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_asks_the_prometheus_that_was_chosen(path: Path) -> None:
    board = _board(path)
    targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
    assert {target["datasource"]["uid"] for target in targets} == {"${datasource}"}
    assert board["templating"]["list"][0]["name"] == "datasource"


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    return [
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
