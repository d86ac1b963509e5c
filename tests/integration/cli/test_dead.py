"""`monarq dead`: list, show, replay, discard."""

import json
import re
import signal
from typing import Any

import pytest

from .conftest import Bury
from .stage import Stage, eventually


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


def test_the_list_is_paged_by_the_time_of_death(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", "b", "c")
    client.zadd("monarq:dead:default", {"a": 1000, "b": 2000, "c": 3000})
    [newest] = json.loads(stage.monarq("dead", "list", "--limit", "1", "--json").stdout)
    for option in ("--until", "--before"):
        next_page = stage.monarq("dead", "list", option, newest["died_at"], "--json")
        assert [letter["job_id"] for letter in json.loads(next_page.stdout)] == ["b", "a"]
    recent = stage.monarq("dead", "list", "--since", "1h", "--json")
    assert json.loads(recent.stdout) == []


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
    edit = ["replay", "nobody", "--edit", "{}"]
    for command in (["show", "nobody"], ["replay", "nobody"], edit, ["discard", "nobody", "--yes"]):
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
    assert mark["worker"].startswith("ann@")
    assert mark["message"] == f"replayed by {mark['worker']} from the command line"


def test_replay_all_keeps_to_the_queue_and_kind(stage: Stage, buried: Bury, client: Any) -> None:
    buried(*(f"a{number}" for number in range(120)), queue="mail")
    buried("quiet", queue="mail", kind="quiet")
    buried("b")
    ended = stage.monarq("dead", "replay", "--all", "--queue", "mail", "--kind", "boom", "--json")
    told = json.loads(ended.stdout)
    assert (told["replayed"], told["stopped"], told["canary"]) == (120, None, None)
    assert client.zcard("arq:queue:mail") == 120
    assert stage.monarq("dead", "replay", "--all").stdout == "replayed 2\n"


def test_groups_are_told_with_their_size_and_a_sample(stage: Stage, buried: Bury) -> None:
    buried("a", "b", message="no row 7")
    buried("c", message="no [red]printer[/red]", kind="print", queue="mail")
    told = json.loads(stage.monarq("dead", "groups", "--json").stdout)
    assert [(group["count"], group["kinds"], group["message"]) for group in told] == [
        (2, {"boom": 2}, "no row 7"),
        (1, {"print": 1}, "no [red]printer[/red]"),
    ]
    table = stage.monarq("dead", "groups", "--queue", "mail").stdout.splitlines()
    assert len(table) == 2
    assert table[1].split("\t")[0] == told[1]["fingerprint"]
    assert "ValueError: no [red]printer[/red]" in table[1]
    of_group = stage.monarq("dead", "list", "--fingerprint", told[0]["fingerprint"], "--json")
    assert {letter["job_id"] for letter in json.loads(of_group.stdout)} == {"a", "b"}


def test_no_groups_are_an_empty_list_and_no_failure(stage: Stage) -> None:
    assert stage.monarq("dead", "groups").stderr == "no dead letters\n"
    assert json.loads(stage.monarq("dead", "groups", "--json").stdout) == []


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_a_dry_run_tells_what_it_would_be_and_changes_nothing(
    stage: Stage, buried: Bury, client: Any, command: str
) -> None:
    buried("a", "b", message="no row 7")
    buried("c", message="no printer")
    before = sorted(client.keys())
    shown = stage.monarq("dead", command, "--text", "row", "--dry-run")
    assert shown.returncode == 0
    assert shown.stdout.endswith(f"2 would be {command}ed\n")
    assert "no row 7" in shown.stdout
    told = json.loads(stage.monarq("dead", command, "--all", "--dry-run", "--json").stdout)
    assert (told["dry_run"], told["count"], len(told["groups"])) == (True, 3, 2)
    assert set(told["sample"]) == {"a", "b", "c"}
    assert json.loads(stage.monarq("dead", command, "a", "x", "--dry-run", "--json").stdout)["count"] == 1
    assert sorted(client.keys()) == before


def test_a_group_is_replayed_by_its_fingerprint(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", "b", message="no row 7")
    buried("c", message="no printer")
    [group, _] = json.loads(stage.monarq("dead", "groups", "--json").stdout)
    ended = stage.monarq("dead", "replay", "--fingerprint", group["fingerprint"], "--rate", "500/s")
    assert (ended.returncode, ended.stdout) == (0, "replayed 2\n")
    assert "--until" in ended.stderr
    assert set(client.zrange("arq:queue", 0, -1)) == {"a", "b"}


def test_an_edit_replaces_the_arguments_and_is_told_in_the_mark(
    stage: Stage, buried: Bury, client: Any
) -> None:
    buried("a")
    shown = stage.monarq("dead", "replay", "a", "--edit", '{"text": "better"}', "--dry-run")
    assert 'boom {"text":"better"}' in shown.stdout
    assert client.exists("monarq:dead-letter:a")
    ended = stage.monarq("dead", "replay", "a", "--edit", '{"text": "better"}')
    assert (ended.returncode, ended.stdout) == (0, "replayed 1\n")
    envelope = json.loads(client.get("arq:job:a"))
    assert (envelope["f"], envelope["a"], envelope["k"]) == ("boom", [], {"text": "better"})
    assert json.loads(client.lindex("monarq:failures:a", -1))["message"].endswith(", with other arguments")


@pytest.mark.parametrize(
    ("edit", "named"), [('{"text": 7}', "text"), ('{"txt": "x"}', "txt"), ('["x", "y"]', "arguments")]
)
def test_an_edit_that_does_not_fit_the_type_is_refused_and_the_letter_stays(
    stage: Stage, buried: Bury, client: Any, edit: str, named: str
) -> None:
    buried("a")
    ended = stage.monarq("dead", "replay", "a", "--edit", edit)
    assert ended.returncode == 2
    assert f"boom: {named}" in ended.stderr
    assert client.exists("monarq:dead-letter:a")


def test_an_edit_wants_a_handler_and_a_letter_that_can_be_read(
    stage: Stage, buried: Bury, client: Any
) -> None:
    buried("a", kind="nobody.knows")
    assert stage.monarq("dead", "replay", "a", "--edit", "{}").returncode == 78
    client.set("monarq:dead-letter:a", b"\x80pickled")
    ended = stage.monarq("dead", "replay", "a", "--edit", "{}")
    assert ended.returncode == 1
    assert "cannot be edited" in ended.stderr


def test_an_edit_over_the_size_limit_is_refused(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a")
    edit = json.dumps({"text": "x" * 5_000})
    ended = stage.monarq("dead", "replay", "a", "--edit", edit, MONARQ_MAX_PAYLOAD_BYTES="2000")
    assert ended.returncode == 1
    assert "2,000" in ended.stderr
    assert client.exists("monarq:dead-letter:a")


def test_a_canary_that_dies_stops_the_batch_and_says_so(stage: Stage, buried: Bury, client: Any) -> None:
    buried(*(f"a{number}" for number in range(20)))
    stage.start("worker").says("worker.started")
    ended = stage.monarq("dead", "replay", "--all", "--canary", "4", "--json")
    assert ended.returncode == 1
    assert re.search("[34] of the first 4 failed again; the other 16 stay dead letters", ended.stderr)
    told = json.loads(ended.stdout)
    assert (told["replayed"], told["stopped"]) == (4, "canary")
    assert told["canary"]["failed"] >= 3


def test_ctrl_c_ends_a_replay_in_order(stage: Stage, buried: Bury, client: Any) -> None:
    buried(*(f"a{number:02}" for number in range(60)))
    running = stage.start("dead", "replay", "--all", "--rate", "10/s", "--json")
    eventually(lambda: client.zcard("arq:queue") >= 3)
    running.send(signal.SIGINT)
    assert running.ends() == 1
    assert "stay dead letters" in running.output
    assert '"stopped": "asked"' in running.output
    replayed = client.zcard("arq:queue")
    assert client.zcard("monarq:dead:default") == 60 - replayed


def test_a_replay_that_is_killed_is_taken_up_where_it_was(stage: Stage, buried: Bury, client: Any) -> None:
    names = [f"a{number:02}" for number in range(60)]
    buried(*names)
    running = stage.start("dead", "replay", "--all", "--rate", "10/s")
    eventually(lambda: client.zcard("arq:queue") >= 5)
    running.send(signal.SIGKILL).ends()
    assert 0 < client.zcard("monarq:dead:default") < 60
    until = running.output.split("--until ")[1].split()[0]
    assert stage.monarq("dead", "replay", "--until", until).returncode == 0
    assert client.zcard("arq:queue") == 60
    records = [" ".join(client.lrange(f"monarq:failures:{name}", 0, -1)) for name in names]
    assert [told.count('"cause":"replay"') for told in records] == [1] * 60


def test_a_server_that_fails_half_way_is_told_with_what_was_done(
    stage: Stage, buried: Bury, client: Any
) -> None:
    buried("a")
    client.config_set("maxmemory", 1)
    try:
        ended = stage.monarq("dead", "replay", "--all")
    finally:
        client.config_set("maxmemory", 0)
    assert ended.returncode == 1
    assert "0 were replayed before this:" in ended.stderr
    assert "full" in ended.stderr
    assert client.exists("monarq:dead-letter:a")


def test_letters_are_discarded_by_what_they_are(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", "b", message="no row 7")
    buried("c", message="no printer")
    ended = stage.monarq("dead", "discard", "--text", "row")
    assert (ended.returncode, ended.stdout) == (0, "discarded 2\n")
    assert json.loads(stage.monarq("dead", "discard", "--all", "--json").stdout) == {"discarded": 1}
    assert client.keys("monarq:dead*") == []


def test_show_tells_the_fingerprint_and_the_earlier_replays(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", message="no row 7")
    [group] = json.loads(stage.monarq("dead", "groups", "--json").stdout)
    stage.monarq("dead", "replay", "a", USER="ann", LOGNAME="ann")
    client.zrem("arq:queue", "a")
    client.rename("arq:job:a", "monarq:dead-letter:a")
    client.zadd("monarq:dead:default", {"a": 1})
    shown = stage.monarq("dead", "show", "a").stdout
    assert "replayed:    once" in shown
    assert "replayed by ann@" in shown
    document = json.loads(stage.monarq("dead", "show", "a", "--json").stdout)
    assert [replay["by"].startswith("ann@") for replay in document["replays"]] == [True]
    assert document["fingerprint"] == group["fingerprint"]


def test_replay_wants_either_ids_or_all(stage: Stage) -> None:
    for arguments in ([], ["a", "--all"], ["a", "--queue", "mail"]):
        assert stage.monarq("dead", "replay", *arguments).returncode == 2


def test_discarded_letters_are_gone(stage: Stage, buried: Bury, client: Any) -> None:
    buried("a", "b")
    ended = stage.monarq("dead", "discard", "a", "b")  # without a terminal nobody is asked
    assert (ended.returncode, ended.stdout) == (0, "discarded 2\n")
    assert client.keys("monarq:dead*") == []
