"""Tables of the documentation, as the meta tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path

from monarq.jobs.state import State

from .repository import ROOT

#: Where a job comes from and goes to that has no state.
NOTHING = "(nothing)"
SCRIPTS = ROOT / "jobs" / "store" / "lua"


def rows(page: Path, *columns: str) -> list[dict[str, str]]:
    """The rows of the table with these columns, by column."""
    header = "| " + " | ".join(columns) + " |"
    lines = iter(page.read_text(encoding="utf-8").splitlines())
    assert any(line == header for line in lines), f"{page.name} has no table {header}"
    next(lines)  # the rule under the header
    return [dict(zip(columns, _cells(line), strict=True)) for line in _until_blank(lines)]


def quoted(cell: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def scripts() -> set[str]:
    """The file names of all Lua scripts."""
    return {path.name for path in SCRIPTS.glob("*.lua") if not path.name.startswith("_")}


def state(name: str) -> State | None:
    """The state of this name; None for `(nothing)`."""
    return None if name == NOTHING else State(name)


def _until_blank(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if not line.startswith("|"):
            return
        yield line


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")]
