"""`docs/states.md` and the scripts' headers say what `jobs/state.py` says."""

import re

import pytest

from monarq.jobs.state import FINAL, TRANSITIONS, State

from .documents import SCRIPTS, quoted, rows, scripts
from .repository import ROOT

PAGE = ROOT / "docs" / "states.md"
LEGAL = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
#: What a header may name besides states.
_NO_STATE = {"nothing", "-"}


def test_the_table_of_states_holds_all_of_them() -> None:
    told = {State(quoted(row["state"])[0]): row["final"] for row in rows(PAGE, "state", "meaning", "final")}
    assert told == {state: "yes" if state in FINAL else "no" for state in State}


def test_the_table_of_transitions_is_that_of_the_code() -> None:
    told = [
        (State(quoted(row["from"])[0]), State(quoted(row["to"])[0]))
        for row in rows(PAGE, "from", "to", "when")
    ]
    assert sorted(told) == sorted(LEGAL)


def test_the_diagram_is_that_of_the_code() -> None:
    arrows = re.findall(r"^ +(\S+) --> (\S+)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    between = {(State(source), State(target)) for source, target in arrows if "[*]" not in (source, target)}
    assert between == LEGAL
    assert {State(source) for source, target in arrows if target == "[*]"} == FINAL


@pytest.mark.parametrize("script", sorted(scripts()))
def test_the_header_of_a_script_names_legal_moves_only(script: str) -> None:
    """`--[[ settle: running -> succeeded | retrying | ...`: from each to each, or no move at all."""
    first = (SCRIPTS / script).read_text(encoding="utf-8").partition("\n")[0]
    clause = first.partition(":")[2].partition(";")[0]
    if "->" not in clause:
        lookers = ("inspect", "browse", "examine", "archive", "compare", "beat", "lineup", "glance")
        lookers += ("measure", "operation_take", "operation_advance", "report", "enlist")
        assert script.removesuffix(".lua") in lookers
        return
    sources, targets = ([name.strip() for name in side.split("|")] for side in clause.split("->"))
    moves = {(source, target) for source in sources for target in targets if source != target}
    known = {move for move in moves if not _NO_STATE & set(move)}
    assert {move for move in known if (State(move[0]), State(move[1])) not in LEGAL} == set()
