"""The states of a job, and who may move it where."""

import re
from importlib.resources import files

import pytest

from monarq.jobs.state import FINAL, TRANSITIONS, State, may_move
from monarq.jobs.store.verbs import Verb

SETTLE = (files("monarq.jobs.store") / "lua" / "settle.lua").read_text()


def test_there_are_these_states_and_no_others() -> None:
    assert [str(state) for state in State] == [
        "scheduled",
        "ready",
        "running",
        "retrying",
        "succeeded",
        "dead",
        "cancelled",
        "expired",
    ]


def test_the_table_has_a_row_for_every_state() -> None:
    assert set(TRANSITIONS) == set(State)


def test_these_moves_are_legal_and_no_others() -> None:
    legal = {f"{source} -> {target}" for source in State for target in State if may_move(source, target)}
    assert legal == {
        "scheduled -> ready",
        "scheduled -> cancelled",
        "ready -> running",
        "ready -> cancelled",
        "ready -> scheduled",
        "ready -> retrying",
        "running -> succeeded",
        "running -> retrying",
        "running -> dead",
        "running -> cancelled",
        "running -> expired",
        "running -> ready",
        "running -> scheduled",
        "retrying -> ready",
        "retrying -> cancelled",
        "dead -> ready",
    }


@pytest.mark.parametrize("state", State)
def test_a_final_state_is_left_by_a_replay_of_a_dead_letter_only(state: State) -> None:
    assert state.is_final == (state in FINAL)
    if state.is_final:
        assert TRANSITIONS[state] == ({State.READY} if state is State.DEAD else set())


def test_every_state_can_be_reached_and_every_other_one_leads_to_an_end() -> None:
    assert set().union(*TRANSITIONS.values()) == set(State)
    for state in set(State) - FINAL:
        reached, before = {state}, set[State]()
        while reached != before:
            before = set(reached)
            reached |= {target for source in before for target in TRANSITIONS[source]}
        assert reached >= FINAL


def test_every_verb_of_settle_is_a_state_that_a_running_job_may_move_to() -> None:
    """`released` alone is no state: the delay decides whether the job is ready or scheduled then."""
    states = {State(verb) for verb in Verb if verb is not Verb.RELEASED}
    assert states | {State.READY, State.SCHEDULED} == TRANSITIONS[State.RUNNING]


def test_settle_lua_names_the_same_verbs() -> None:
    listed = re.search(r"verb \(([a-z, ]+)\)", SETTLE)
    assert listed is not None
    assert set(listed[1].split(", ")) == {str(verb) for verb in Verb}
    compared = set(re.findall(r"verb == '(\w+)'", SETTLE))
    assert compared
    assert compared <= {str(verb) for verb in Verb}
