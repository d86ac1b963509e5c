"""`monarq pause`, `monarq resume` and what `monarq queues` and `monarq why` tell of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from .stage import Stage, eventually

WHY = ("--why", "the mail server moves")


def test_a_paused_queue_rests_until_its_resume(stage: Stage) -> None:
    paused = stage.monarq("pause", "--queue", "mail", *WHY)
    assert (paused.returncode, paused.stdout) == (0, "paused queue mail until its resume\n")
    job_id = stage.monarq("enqueue", "mail").stdout.strip()
    assert stage.monarq("worker", "--burst", "--queues", "mail").returncode == 0
    assert "queue mail is paused by" in stage.monarq("why", job_id).stdout
    resumed = stage.monarq("resume", "-q", "mail")
    assert (resumed.returncode, resumed.stdout) == (0, "resumed queue mail\n")
    assert stage.monarq("worker", "--burst", "--queues", "mail").returncode == 0
    assert "It succeeded at" in stage.monarq("why", job_id).stdout


def test_a_paused_kind_rests_in_every_queue_that_exists(stage: Stage) -> None:
    stage.monarq("enqueue", "mail")
    told = json.loads(stage.monarq("pause", "--kind", "mail", *WHY, "--for", "90", "--json").stdout)
    assert [(pause["queue"], pause["kind"], pause["now"]) for pause in told] == [
        ("default", "mail", False),
        ("mail", "mail", False),
    ]
    span = datetime.fromisoformat(told[0]["until"]) - datetime.fromisoformat(told[0]["at"])
    assert span == timedelta(seconds=90)
    resumed = json.loads(stage.monarq("resume", "--kind", "mail", "--json").stdout)
    assert [pause["queue"] for pause in resumed] == ["default", "mail"]


def test_queues_shows_what_is_paused_by_whom_and_why(stage: Stage) -> None:
    until = (datetime.now(UTC) + timedelta(days=400)).replace(microsecond=0)
    stage.monarq("enqueue", "mail")
    stage.monarq("pause", "--queue", "mail", *WHY, "--until", until.isoformat(), USER="ann", LOGNAME="ann")
    stage.monarq("pause", "--queue", "mail", "--kind", "mail", "--why", "typo")
    told = {queue["queue"]: queue["pauses"] for queue in json.loads(stage.monarq("queues", "--json").stdout)}
    assert told["default"] == []
    assert [(pause["kind"], pause["why"]) for pause in told["mail"]] == [
        (None, "the mail server moves"),
        ("mail", "typo"),
    ]
    assert told["mail"][0]["by"].startswith("ann@")
    assert datetime.fromisoformat(told["mail"][0]["until"]) == until
    lines = stage.monarq("queues").stdout.splitlines()
    shown = dict(zip(lines[0].split("\t"), lines[2].split("\t"), strict=True))
    assert shown["paused"].startswith("all: the mail server moves (by ann@")
    assert "; mail: typo (by " in shown["paused"]


def test_jobs_that_were_put_aside_are_counted_as_ready(stage: Stage) -> None:
    stage.monarq("pause", "--kind", "add", *WHY)
    for _ in range(2):
        stage.monarq("enqueue", "add", "--args", "[1]")
    assert stage.monarq("worker", "--burst").returncode == 0
    [queue] = json.loads(stage.monarq("queues", "--json").stdout)
    assert (queue["ready"], queue["waiting"]) == (2, 0)


def test_now_hands_running_jobs_back(stage: Stage) -> None:
    stage.start("worker").says("worker.started")
    job_id = stage.monarq("enqueue", "nap", "--args", "[30]").stdout.strip()
    eventually((stage.folder / "napping").exists)
    stage.monarq("pause", "--queue", "default", "--now", *WHY)
    told = eventually(lambda: _told(stage, job_id, "paused"))
    assert told["facts"]["last_failure"]["cause"] == "interruption"
    assert told["facts"]["attempts_spent"] == 0


def _told(stage: Stage, job_id: str, reason: str) -> dict[str, dict[str, dict[str, object]]] | None:
    told = json.loads(stage.monarq("why", job_id, "--json").stdout)
    return told if told["reason"] == reason else None


def test_a_resume_of_what_is_not_paused_ends_with_1(stage: Stage) -> None:
    ended = stage.monarq("resume", "--queue", "mail")
    assert ended.returncode == 1
    assert "it is not paused" in ended.stderr


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["pause", *WHY], "queue: name a queue, or a kind, or both"),
        (["pause", "-q", "a", "--why", " "], "why: say why"),
        (["pause", "-q", "a"], "--why"),
        (["pause", "-q", "a", *WHY, "--for", "-1"], "until"),
        (["pause", "-q", "a", *WHY, "--until", "2020-01-01T00:00:00+00:00"], "until"),
        (["pause", "-q", "a", *WHY, "--until", "2030-01-01T00:00:00"], "no time zone"),
        (["pause", "-q", "a", *WHY, "--until", "2030-01-01T00:00:00+00:00", "--for", "1"], "either"),
        (["pause", "-q", "a b", *WHY], "queue"),
        (["pause", "-k", "a b", *WHY], "kind"),
        (["resume"], "queue: name a queue, or a kind, or both"),
    ],
)
def test_an_option_that_cannot_be_used_is_named_and_nothing_is_paused(
    stage: Stage, command: list[str], says: str
) -> None:
    ended = stage.monarq(*command)
    assert ended.returncode == 2
    assert says in ended.stderr
    assert all(not queue["pauses"] for queue in json.loads(stage.monarq("queues", "--json").stdout))


def test_why_of_a_job_that_never_was_ends_with_1(stage: Stage) -> None:
    ended = stage.monarq("why", "nobody")
    assert ended.returncode == 1
    assert ended.stdout.startswith("There is no trace of it")
    assert json.loads(stage.monarq("why", "nobody", "--json").stdout)["state"] is None


def test_why_prints_the_sentence_and_then_the_facts(stage: Stage) -> None:
    job_id = stage.monarq("enqueue", "mail", "--delay", "3600").stdout.strip()
    sentence, *facts = stage.monarq("why", job_id).stdout.splitlines()
    assert sentence.startswith("It is scheduled for ")
    assert {"  queue: mail", "  kind: mail", "  attempts_spent: 0"} <= set(facts)
    told = json.loads(stage.monarq("why", job_id, "--queue", "mail", "--json").stdout)
    assert (told["job_id"], told["state"], told["reason"]) == (job_id, "scheduled", "scheduled")
