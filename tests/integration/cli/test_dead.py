"""`monarq dead`: list, show, replay, discard."""

import json
from typing import Any

from .conftest import Bury
from .stage import Stage


def test_the_list_names_each_letter_and_its_error(stage: Stage, buried: Bury) -> None:
    buried("a", "b", message="bad [red]news[/red]\nand more")
    listed = stage.monarq("dead", "list")
    assert listed.returncode == 0
    assert "ValueError: bad [red]news[/red]" in listed.stdout
    assert {line.split("\t")[0] for line in listed.stdout.splitlines()} == {"id", "a", "b"}


def test_the_list_can_be_cut_to_a_queue_and_a_kind(stage: Stage, buried: Bury) -> None:
    buried("a", queue="mail", kind="letter")
    buried("b", queue="mail")
    buried("c")
    of_both = stage.monarq("dead", "list", "--queue", "mail", "--kind", "letter", "--json")
    assert [letter["job_id"] for letter in json.loads(of_both.stdout)] == ["a"]
    assert len(json.loads(stage.monarq("dead", "list", "--limit", "2", "--json").stdout)) == 2


def test_no_letters_are_an_empty_list_and_no_failure(stage: Stage) -> None:
    listed = stage.monarq("dead", "list")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "no dead letters\n")
    assert json.loads(stage.monarq("dead", "list", "--json").stdout) == []


def test_show_tells_arguments_and_every_attempt(stage: Stage, buried: Bury) -> None:
    buried("a", message="bad news")
    shown = stage.monarq("dead", "show", "a")
    assert shown.returncode == 0
    for told in ('{"text":"x"}', "attempt 1: error", "ValueError: bad news", "monarq dead replay a"):
        assert told in shown.stdout
    document = json.loads(stage.monarq("dead", "show", "a", "--json").stdout)
    assert (document["kind"], document["attempts"][0]["message"]) == ("boom", "bad news")


def test_show_of_an_unreadable_letter_tells_why(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a")
    client.set("monarq:dead-letter:a", b"\x80pickled")
    assert "unreadable" in stage.monarq("dead", "list").stdout
    assert "pickled" in stage.monarq("dead", "show", "a").stdout


def test_an_id_that_is_no_dead_letter_ends_with_1_and_says_so(stage: Stage, buried: Bury) -> None:
    buried("a")
    for command in (["show", "nobody"], ["replay", "nobody"], ["discard", "nobody", "--yes"]):
        ended = stage.monarq("dead", *command)
        assert ended.returncode == 1
        assert "nobody is no dead letter" in ended.stderr


def test_replay_of_some_makes_them_ready_and_names_the_missing(
    stage: Stage, buried: Bury, client: Any
) -> None:
    buried("a", "b")
    ended = stage.monarq("dead", "replay", "a", "nobody", "a", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout) == {"replayed": ["a"], "missing": ["nobody"]}
    assert client.zrange("arq:queue", 0, -1) == ["a"]


def test_the_replay_tells_who_asked_for_it(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a")
    assert stage.monarq("dead", "replay", "a", USER="ann", LOGNAME="ann").returncode == 0
    mark = json.loads(client.lindex("monarq:failures:a", -1))
    assert (mark["cause"], mark["spent"], mark["crashes"]) == ("replay", 0, 0)
    assert mark["message"].startswith("replayed by ann@")


def test_replay_all_keeps_to_the_queue_and_kind(stage: Stage, buried: Bury, client: Any) -> None:
    buried(*(f"a{number}" for number in range(120)), queue="mail")
    buried("quiet", queue="mail", kind="quiet")
    buried("b")
    ended = stage.monarq("dead", "replay", "--all", "--queue", "mail", "--kind", "boom", "--json")
    assert json.loads(ended.stdout) == {"replayed": 120}
    assert client.zcard("arq:queue:mail") == 120
    assert stage.monarq("dead", "replay", "--all").stdout == "replayed 2\n"


def test_replay_wants_either_ids_or_all(stage: Stage) -> None:
    for arguments in ([], ["a", "--all"], ["a", "--queue", "mail"]):
        assert stage.monarq("dead", "replay", *arguments).returncode == 2


def test_discarded_letters_are_gone(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", "b")
    ended = stage.monarq("dead", "discard", "a", "b")  # without a terminal nobody is asked
    assert (ended.returncode, ended.stdout) == (0, "discarded 2\n")
    assert client.keys("monarq:dead*") == []
