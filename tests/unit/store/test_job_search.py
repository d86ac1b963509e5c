"""The language of searches: what it means, and where it says that something is wrong."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.priority import PRIORITIES
from monarq.jobs.state import FINAL, State
from monarq.jobs.store.job_filter import JobFilter, PayloadField
from monarq.jobs.store.job_search import MOST_VALUES, NAMES, STATE_GROUPS, JobSearch, read_search
from monarq.jobs.store.search_terms import SearchFault, Typing, spelled, terms_of, typed_at

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(text: str) -> JobSearch:
    return read_search(text, NOW)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("  \t\n", {}),
        ("queue:mail", {"queue": "mail"}),
        ("QUEUE:mail Kind:mail.send", {"queue": "mail", "kind": "mail.send"}),
        ("queue:mail,default queue:x", {"queue": ("mail", "default", "x")}),
        ("queue:mail,mail", {"queue": "mail"}),
        ("tag:eu tag:customer:17", {"tag": ("eu", "customer:17")}),
        ('id:"a,b"', {"job_id": "a,b"}),
        (f"{7:032x}", {"job_id": f"{7:032x}"}),
        ("error:timeout", {"text": "timeout"}),
        ('error:"connection reset" error:peer', {"text": "connection reset peer"}),
        (r'worker:"a \"b\" \\ c"', {"worker": r'a "b" \ c'}),
        ("after:2h", {"since": NOW - timedelta(hours=2)}),
        ("before:+1.5d", {"until": NOW + timedelta(hours=36)}),
        ("after:2029-12-31", {"since": datetime(2029, 12, 31, tzinfo=UTC)}),
        ("after:2029-12-31T10:00+02:00", {"since": datetime(2029, 12, 31, 8, tzinfo=UTC)}),
        ("fingerprint:00000000000000ff", {"fingerprint": "00000000000000ff"}),
        ("args.a.B:x", {"payload": (PayloadField("a.B", "x"),)}),
        ("ARGS.a:17", {"payload": (PayloadField("a", 17, "17"),)}),
        ('args.a:"17"', {"payload": (PayloadField("a", "17"),)}),
        ("args.lines[].sku:A-17 args.b:true", {
            "payload": (PayloadField("lines[].sku", "A-17"), PayloadField("b", True, "true")),
        }),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, wanted: dict[str, Any]) -> None:
    assert read(text) == JobSearch(filter=JobFilter(**wanted))


def test_states_are_named_one_by_one_or_in_groups() -> None:
    assert read("state:dead state:ready").states == {State.DEAD, State.READY}
    assert read("state:Failed").states == {State.RETRYING, State.DEAD}
    assert read("state:live,finished").states == set(State)
    assert set().union(*STATE_GROUPS.values()) == set(State)
    assert STATE_GROUPS["finished"] == FINAL
    assert all(read("queue:x").wants(state) for state in State)
    assert not read("state:dead").wants(State.READY)


@pytest.mark.parametrize(
    ("text", "word", "told"),
    [
        ("queue:mail stat:dead", "stat", "did you mean state"),
        ("queue:mail nonsense:1 kind:x", "nonsense", "there are state, queue"),
        ("state:dead,faild", "faild", "did you mean failed"),
        ("state:x", "x", "There are scheduled, ready"),
        ("invoice state:dead", "invoice", "kind:invoice"),
        ('"two words"', '"two', "say what it is"),
        ("priority:urgent", "urgent", "critical, high"),
        ("fingerprint:xyz", "xyz", "16 hex digits"),
        ("after:yesterdayish", "yesterdayish", "is no time"),
        ("after:999999999w", "999999999w", "is no time"),
        ("after:1h after:2h", "after:2h", "one time is enough"),
        ("after:1h before:2h", "after:1h before:2h", "is not before"),
        ('kind:"mail', '"mail', "not closed"),
        ("kind:", "", "value is missing"),
        ("kind:a,", "", "value is missing"),
        ("kind: a", " ", "value is missing"),
        ('kind:"a"b', "b", "a blank or a comma"),
        ("args.a:1,2", "args.a:1,2", "one value only"),
        ("args.a..b:1", "1", "is no path"),
        ("args.:1", "1", "is no path"),
        (f"args.{'a.' * 900}a:1", "1", "deeper than 32 names"),
        ("error:...", "...", "holds no word"),
        ("queue:a\0b", "a\0b", "no job can have"),
        ("queue:" + ",".join(map(str, range(MOST_VALUES + 1))), None, "20 values at most"),
    ],
)
def test_a_fault_points_at_its_word(text: str, word: str | None, told: str) -> None:
    with pytest.raises(SearchFault, match=told.replace("+", r"\+")) as fault:
        read(text)
    assert text[fault.value.start : fault.value.end] == (text if word is None else word)


def test_every_name_is_read_and_its_fault_bears_its_name() -> None:
    for name in NAMES:
        with pytest.raises(SearchFault) as fault:
            read(f"{name}:\x00")
        assert 0 <= fault.value.start <= fault.value.end <= len(name) + 2


names = st.sampled_from(["queue", "kind", "tag", "id", "worker"])
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.tuples(names, st.lists(values, min_size=1, max_size=4)), max_size=4))
def test_what_is_spelled_is_read_as_it_was_meant(terms: list[tuple[str, list[str]]]) -> None:
    text = " ".join(spelled(name, *given) for name, given in terms)
    found = [(term.name, [word.text for word in term.values]) for term in terms_of(text)]
    assert found == terms
    for term in terms_of(text):
        assert terms_of(text[term.start : term.end])[0].name == term.name


@given(st.text(alphabet='abst:,." \\\n\0ä7', max_size=40) | st.text(max_size=40))
def test_any_text_is_read_or_is_at_fault_somewhere(text: str) -> None:
    fault = None
    try:
        read(text)
    except SearchFault as error:
        fault = error
    if fault is not None:
        assert 0 <= fault.start <= fault.end <= len(text)
        assert str(fault)


@given(st.lists(st.sampled_from(list(State)), min_size=1), st.sampled_from(PRIORITIES))
def test_the_order_of_terms_means_nothing(states: list[State], priority: str) -> None:
    terms = [*(f"state:{state}" for state in states), f"priority:{priority}", "queue:x"]
    assert read(" ".join(terms)) == read(" ".join(reversed(terms)))


@pytest.mark.parametrize(
    ("text", "typing"),
    [
        ("", Typing(None, "", 0)),
        ("que", Typing(None, "que", 0)),
        ("queue:mail sta", Typing(None, "sta", 11)),
        ("queue:ma", Typing("queue", "ma", 6)),
        ("queue:mail,de", Typing("queue", "de", 11)),
        ('queue:"ma', Typing("queue", "ma", 6)),
        ('error:"connection re', Typing("error", "connection re", 6)),
        ("queue:mail ", Typing(None, "", 11)),
        ("args.a.b:", Typing("args.a.b", "", 9)),
    ],
)
def test_what_is_being_typed(text: str, typing: Typing) -> None:
    assert typed_at(text, len(text)) == typing
    assert typed_at(text + " and more", len(text)) == typing


@given(st.text(max_size=60), st.integers(0, 80))
def test_whatever_is_typed_begins_where_it_is_said(text: str, at: int) -> None:
    typing = typed_at(text, at)
    assert 0 <= typing.start <= min(at, len(text))
