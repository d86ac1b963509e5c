"""The header of a script is its signature: what it says is what the script does."""

import re
from importlib.resources import files
from typing import Any

import pytest

from monarq.jobs.state import State, may_move
from monarq.jobs.store import scripts
from monarq.jobs.store.scripts import Script, Slots
from tests.contract.store import Store

NAMES = scripts.names()
FIRST_LINE = re.compile(r"--\[\[ (\w+): (.+)")

every_script = pytest.mark.parametrize("name", NAMES)


def text_of(name: str) -> str:
    return (files("monarq.jobs.store") / "lua" / f"{name}.lua").read_text()


def header_of(name: str) -> str:
    return text_of(name).partition("]]")[0]


def code_of(name: str) -> str:
    return text_of(name).partition("]]")[2]


def source_of(name: str) -> str:
    return scripts.load(name).source.decode()


def given_for(script: Script) -> dict[str, Any]:
    """A value for every name of the header; that of a group is as long as one of its strides."""
    given: dict[str, Any] = {}
    for slots in (script.keys, script.arguments):
        given |= {name: name for name in slots.names}
        if slots.group is not None:
            given[slots.group] = [f"{slots.group}{n}" for n in range(slots.stride)]
    return given


def test_every_verb_has_its_script() -> None:
    assert set(NAMES) == {
        *("enqueue", "claim", "settle", "renew", "cancel", "inspect"),
        *("browse", "replay", "discard"),
        *("archive", "revive", "forget"),
        *("pause", "resume", "examine"),
        *("compare", "restore", "beat"),
        *("operation_take", "operation_advance"),
        *("measure", "lineup", "glance", "move"),
        *("report", "enlist"),
    }


@every_script
async def test_a_script_compiles_on_the_server_to_the_hash_that_is_called(store: Store, name: str) -> None:
    script = scripts.load(name)
    assert await store.call("SCRIPT", "LOAD", script.source) == script.sha.encode()


@every_script
def test_a_script_carries_what_it_uses_and_no_more(name: str) -> None:
    """What is defined is made anew in each call: the hot scripts pay for nothing that they do not use."""
    parts = {
        "_parked.lua": "parked_key|find_parked",
        "_pauses.lua": "bring_back|read_pauses|put_aside",
        "_standing.lua": "number_of|is_alive|lack_of",
        "_retrying.lua": "retrying_key|begin_retries|end_retry",
    }
    used = {part for part in parts if f"\nUses        {part}\n" in header_of(name)}
    carried = {
        part for part, defined in parts.items() if re.search(rf"function ({defined})\(", source_of(name))
    }
    needed = {part for part, defined in parts.items() if re.search(rf"({defined})\(", code_of(name))}
    needs_parked = needed & {"_pauses.lua", "_standing.lua"}
    assert used == carried == needed | ({"_parked.lua"} if needs_parked else set())


@every_script
def test_a_header_begins_with_the_verb_and_legal_moves(name: str) -> None:
    found = FIRST_LINE.match(header_of(name))
    assert found
    assert found[1] == name
    moves = found[2].partition(";")[0]
    if "->" not in moves:
        return
    sources, targets = ([word.strip() for word in side.split("|")] for side in moves.split("->"))
    for source in sources:
        for target in targets:
            stays = source == target and source in ("running", "ready")
            is_edge = "nothing" in (source, target)
            assert stays or is_edge or may_move(State(source), State(target)), f"{source} -> {target}"


@every_script
def test_a_header_says_what_a_caller_must_know(name: str) -> None:
    header = header_of(name)
    wanted = ["KEYS[1]", "ARGV[1", "Returns ", "Cost ", "Reply lost "]
    if "now_ms()" in code_of(name):
        wanted.append("Clock ")
    assert [word for word in wanted if f"\n{word}" not in header] == []


@every_script
@pytest.mark.parametrize("kind", ["KEYS", "ARGV"])
def test_every_position_that_a_script_reads_is_in_its_header(name: str, kind: str) -> None:
    script = scripts.load(name)
    slots: Slots = script.keys if kind == "KEYS" else script.arguments
    read = {int(position) for position in re.findall(rf"{kind}\[(\d+)\]", code_of(name))}
    declared = len(slots.names) + (slots.group is not None)
    assert max(read, default=0) <= declared


@every_script
def test_values_are_packed_in_the_order_of_the_header(name: str) -> None:
    script = scripts.load(name)
    keys, arguments = script.pack(**given_for(script))
    for slots, packed in ((script.keys, keys), (script.arguments, arguments)):
        group = [f"{slots.group}{n}" for n in range(slots.stride)] if slots.group else []
        assert packed == [*slots.names, *group]


@every_script
def test_a_wrong_name_is_a_type_error_before_anything_is_sent(name: str) -> None:
    script = scripts.load(name)
    with pytest.raises(TypeError, match="does not take lenght"):
        script.pack(**given_for(script), lenght=1)


@every_script
def test_a_missing_name_is_a_type_error_before_anything_is_sent(name: str) -> None:
    script = scripts.load(name)
    given = given_for(script)
    for missing in given:
        with pytest.raises(TypeError, match=f"needs '{missing}'"):
            script.pack(**{name: value for name, value in given.items() if name != missing})


@pytest.mark.parametrize("name", ["claim", "enqueue", "settle", "renew", "replay", "discard"])
def test_a_group_of_the_wrong_size_is_a_type_error(name: str) -> None:
    script = scripts.load(name)
    given = given_for(script)
    group = script.keys.group or script.arguments.group
    assert group is not None
    for wrong in ([], given[group][:-1], [*given[group], "more"]):
        with pytest.raises(TypeError, match=group):
            script.pack(**{**given, group: wrong})


@pytest.mark.parametrize(
    "header",
    ["KEYS[2] second  str", "KEYS[1...] many  2 each\nKEYS[2] after  str", "KEYS[1] a  str\nKEYS[3] b  str"],
)
def test_a_header_out_of_order_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="out of place"):
        scripts._slots("planted", "KEYS", header)
