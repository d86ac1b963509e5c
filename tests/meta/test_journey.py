"""`docs/journey.md` names functions, scripts and state changes: all of them exist."""

import ast

import pytest

from monarq.jobs.state import FINAL, TRANSITIONS, State, may_move

from .documents import quoted, rows, scripts, state
from .repository import ROOT, parse

ROWS = rows(ROOT / "docs" / "journey.md", "step", "code", "script", "state change")
PLACES = sorted({place for row in ROWS for place in quoted(row["code"])})
MOVES = {
    (state(source), state(target))
    for row in ROWS
    for change in filter(None, row["state change"].split(", "))
    for source, target in [change.split(" → ")]
}


@pytest.mark.parametrize("place", PLACES)
def test_the_function_of_a_step_exists(place: str) -> None:
    file_name, _, name = place.partition(":")
    assert name in _functions_in(file_name)


def test_every_step_names_its_code() -> None:
    assert [row["step"] for row in ROWS if not quoted(row["code"])] == []


def test_the_scripts_of_the_steps_are_all_scripts_that_there_are() -> None:
    assert {name for row in ROWS for name in quoted(row["script"])} == scripts()


def test_every_state_change_of_a_step_is_legal() -> None:
    between_states = {(source, target) for source, target in MOVES if source and target}
    assert {move for move in between_states if not may_move(*move)} == set()


def test_a_job_begins_in_a_state_that_waits_and_is_forgotten_in_a_final_one() -> None:
    assert {target for source, target in MOVES if source is None} == {State.SCHEDULED, State.READY}
    assert {source for source, target in MOVES if target is None} == FINAL


def test_no_transition_is_missing() -> None:
    legal = {(source, target) for source, targets in TRANSITIONS.items() for target in targets}
    assert legal - MOVES == set()


def _functions_in(file_name: str) -> set[str]:
    """Functions by name, methods by `Class.method`."""
    tree = parse(ROOT / file_name)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    methods = {f"{owner.name}.{node.name}" for owner in classes for node in owner.body if _is_function(node)}
    return methods | {node.name for node in tree.body if _is_function(node)}


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
