"""`monarq enqueue`: one typed job from the shell."""

import json
from typing import Any

from .stage import Stage


def test_the_id_is_printed_and_the_job_is_there(stage: Stage, client: Any) -> None:
    ended = stage.monarq("enqueue", "add", "--args", '{"a": 1}')
    assert ended.returncode == 0
    assert client.zrange("arq:queue", 0, -1) == [ended.stdout.strip()]


def test_the_result_follows_when_it_is_waited_for(stage: Stage) -> None:
    stage.start("worker").says("worker.started")
    ended = stage.monarq("enqueue", "add", "--args", "[1, 2]", "--wait")
    assert (ended.returncode, ended.stdout.splitlines()[1]) == (0, "3")
    told = json.loads(stage.monarq("enqueue", "add", "--args", '{"a": 1}', "--wait", "30", "--json").stdout)
    assert (told["result"], told["created"], told["kind"]) == (2, True, "add")


def test_a_job_that_dies_ends_the_wait_with_1(stage: Stage) -> None:
    stage.start("worker").says("worker.started")
    ended = stage.monarq("enqueue", "boom", "--args", '{"text": "bad"}', "--wait")
    assert ended.returncode == 1
    assert "ValueError: bad" in ended.stderr
    assert ended.stderr.count(ended.stdout.strip()) == 1, "its id is told once"
    ended = stage.monarq("enqueue", "boom", "--wait", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["error"]["code"] == "job_failed"


def test_a_wait_that_is_too_short_ends_with_1_and_leaves_the_job(stage: Stage, client: Any) -> None:
    ended = stage.monarq("enqueue", "add", "--args", "[1]", "--wait", "0.1")
    assert ended.returncode == 1
    assert "goes on" in ended.stderr
    assert client.zcard("arq:queue") == 1


def test_wrong_arguments_are_named_and_nothing_is_written(stage: Stage, client: Any) -> None:
    for given, named in (
        ('{"b": 1}', "a: "),
        ('{"a": "x"}', "a: "),
        ('{"a": 1, "c": 1}', "c: "),
        ("[1,2,3]", ""),
    ):
        ended = stage.monarq("enqueue", "add", "--args", given)
        assert ended.returncode == 2
        assert f"add: {named}" in ended.stderr
    assert client.keys("arq:*") == []


def test_arguments_may_come_from_stdin(stage: Stage) -> None:
    assert stage.monarq("enqueue", "add", "--args", "-", stdin='{"a": 1}').returncode == 0


def test_bytes_are_written_as_in_every_envelope(stage: Stage, client: Any) -> None:
    assert (
        stage.monarq("enqueue", "take_bytes", "--args", '{"data": "AAEC"}', "--job-id", "a").returncode == 0
    )
    assert '"data":"AAEC"' in client.get("arq:job:a")


def test_the_same_id_is_the_same_job_unless_its_content_differs(stage: Stage) -> None:
    first = stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "mine", "--json")
    again = stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "mine", "--json")
    other = stage.monarq("enqueue", "add", "--args", "[2]", "--job-id", "mine")
    assert [json.loads(ended.stdout)["created"] for ended in (first, again)] == [True, False]
    assert other.returncode == 1
    assert "choose another job_id" in other.stderr


def test_an_unknown_kind_ends_with_78_and_names_the_known_ones(stage: Stage) -> None:
    ended = stage.monarq("enqueue", "nobody")
    assert ended.returncode == 78
    assert "known: add, boom" in ended.stderr


def test_modules_may_be_named_on_the_line(stage: Stage) -> None:
    (stage.folder / "other.py").write_text(
        "from monarq import job\n\n@job('other')\nasync def other(ctx) -> None: ...\n"
    )
    assert stage.monarq("enqueue", "other", "--jobs", "other").returncode == 0


def test_options_of_the_job_are_kept(stage: Stage, client: Any) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--priority", "high", "--queue", "mail", "--job-id", "a")
    assert client.zrange("monarq:queue:mail:high", 0, -1) == ["a"]
    stage.monarq("enqueue", "add", "--args", "[1]", "--at", "2100-01-01T00:00:00Z", "--job-id", "b")
    assert client.zscore("arq:queue", "b") == 4102444800000
    stage.monarq("enqueue", "add", "--args", "[1]", "--expires-in", "5", "--job-id", "c")
    assert '"x":5000' in client.get("arq:job:c")


def test_without_redis_it_ends_with_69(stage: Stage) -> None:
    ended = stage.monarq("enqueue", "add", "--args", "[1]", MONARQ_REDIS_URL="redis://127.0.0.1:1/0")
    assert ended.returncode == 69


def test_a_unique_key_that_is_held_gives_the_id_of_its_holder(stage: Stage, client: Any) -> None:
    by_a = ("enqueue", "add", "--unique-by", "a", "--args")
    first = stage.monarq(*by_a, '{"a": 1}')
    again = stage.monarq(*by_a, '{"a": 1, "b": 5}')
    assert again.stdout == first.stdout
    assert "the same unique key" in again.stderr
    told = json.loads(stage.monarq(*by_a, '{"a": 1, "b": 5}', "--json").stdout)
    assert (told["job_id"], told["created"]) == (first.stdout.strip(), False)
    assert client.zcard("arq:queue") == 1
    rejected = stage.monarq(*by_a, '{"a": 1}', "--on-conflict", "reject")
    assert rejected.returncode == 1
    assert first.stdout.strip() in rejected.stderr
    other = stage.monarq(*by_a, '{"a": 2}', "--unique-until", "60")
    assert other.returncode == 0
    assert client.zcard("arq:queue") == 2


def test_an_unusable_unique_rule_is_named_and_nothing_is_written(stage: Stage, client: Any) -> None:
    for option, value, named in (
        ("--unique-by", "a,c", "unique: by names 'c'"),
        ("--unique-until", "never", "until: 'never'"),
        ("--on-conflict", "ignore", "on_conflict: 'ignore'"),
    ):
        ended = stage.monarq("enqueue", "add", "--args", "[1]", option, value)
        assert ended.returncode == 2
        assert named in ended.stderr.replace("\n│", "").replace("  ", "")
    assert client.keys("arq:*") == []
