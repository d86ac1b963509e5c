"""What is done by hand is written down where a database is named, and `monarq audit` reads it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import run_sql
from tests.servers import free_port

from .conftest import Bury
from .stage import Stage


@pytest.fixture
def stage(tmp_path: Path, redis_url: str, database_url: str) -> Any:
    stage = Stage(tmp_path, redis_url)
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    yield stage
    stage.clear()


def acts(stage: Stage, *options: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = json.loads(stage.monarq("audit", "--json", *options).stdout)
    return told


def test_pauses_and_resumes_are_written_down(stage: Stage) -> None:
    stage.monarq("pause", "-q", "mail", "--why", "the mail server moves", USER="ann", LOGNAME="ann")
    stage.monarq("resume", "-q", "mail")
    stage.monarq("resume", "-q", "mail")  # there is nothing to resume any more
    resumed, paused = acts(stage)
    assert (paused["action"], paused["subject"]) == ("pause", "queue mail")
    assert paused["actor"].startswith("ann@")
    assert paused["detail"]["why"] == "the mail server moves"
    assert (resumed["action"], resumed["place"]) == ("resume", "the command line")


def test_cancellations_are_written_down_with_who_and_why(stage: Stage) -> None:
    stage.monarq("enqueue", "add", "--args", "[1]", "--job-id", "a")
    stage.monarq("cancel", "a", "nobody", "--by", "bob", "--reason", "wrong file")
    [act] = acts(stage)
    assert (act["action"], act["subject"], act["actor"]) == ("cancel", "a", "bob")
    assert act["detail"] == {"reason": "wrong file"}


def test_replays_and_discards_are_written_down(stage: Stage, buried: Bury) -> None:
    buried("a", "b", "c", "d", "e", message="no row 7")
    edit = ("--edit", '{"text": "y"}')
    for command in (
        ["replay", "a", "nobody"],
        ["replay", "b", *edit],
        [
            "replay",
            "--kind",
            "boom",
            "--rate",
            "100/s",
            "--text",
            "row",
            "--until",
            "2000-01-01T00:00:00+00:00",
        ],
        ["discard", "c"],
        ["discard", "--text", "row"],
        ["replay", "--all"],
    ):
        stage.monarq("dead", *command)
    found = [(act["action"], act["subject"], act["detail"].get("count")) for act in reversed(acts(stage))]
    assert found[:3] == [("dead.replay", "a", None), ("dead.replay", "b", None), ("dead.discard", "c", None)]
    action, subject, count = found[3]
    assert (action, count) == ("dead.discard", 2)
    assert "text row" in subject
    assert len(found) == 4  # what has met no letter has done nothing
    [edited] = acts(stage, "--subject", "b")
    assert edited["detail"] == {"edited": True}


def test_a_page_of_the_audit_is_turned_by_the_last_id(stage: Stage) -> None:
    for number in range(5):
        stage.monarq("pause", "-q", f"q{number}", "--why", "a test")
    newest = acts(stage, "--limit", "2")
    assert [act["subject"] for act in newest] == ["queue q4", "queue q3"]
    older = acts(stage, "--limit", "9", "--before", str(newest[-1]["id"]))
    assert [act["subject"] for act in older] == ["queue q2", "queue q1", "queue q0"]


def test_acts_are_found_by_actor_action_and_subject(stage: Stage) -> None:
    stage.monarq("pause", "-q", "mail", "--why", "x", USER="ann", LOGNAME="ann")
    stage.monarq("resume", "-q", "mail", USER="bob", LOGNAME="bob")
    [paused] = acts(stage, "--action", "pause")
    assert acts(stage, "--actor", paused["actor"]) == [paused]
    assert len(acts(stage, "--subject", "queue mail")) == 2
    shown = stage.monarq("audit", "--action", "pause").stdout
    assert "queue mail" in shown
    assert stage.monarq("audit", "--action", "nothing").stderr == "nothing was done by hand\n"


def test_a_database_that_is_away_fails_nothing_that_was_done(stage: Stage) -> None:
    stage.environ["MONARQ_DATABASE_URL"] = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    paused = stage.monarq("pause", "-q", "mail", "--why", "x")
    assert (paused.returncode, paused.stdout) == (0, "paused queue mail until its resume\n")
    assert "not in the audit" in paused.stderr
    queues = stage.monarq("queues")
    assert queues.returncode == 0
    assert "without those in PostgreSQL" in queues.stderr


def test_without_a_database_there_is_no_audit(stage: Stage) -> None:
    del stage.environ["MONARQ_DATABASE_URL"]
    assert stage.monarq("pause", "-q", "mail", "--why", "x").stderr == ""
    audit = stage.monarq("audit")
    assert audit.returncode == 78
    assert "MONARQ_DATABASE_URL" in audit.stderr


def test_letters_in_postgres_are_looked_at_and_acted_on_as_those_in_redis(
    stage: Stage, buried: Bury, client: Any, database_url: str
) -> None:
    """A worker moves them; the commands and `why` find them, and `queues` counts them."""
    buried("a", "b", "c", message="no row 7")
    client.zadd("monarq:dead:default", {"a": 1000, "b": 2000, "c": 3000}, xx=True)
    stage.environ["MONARQ_DEAD_KEEP"] = "0"
    worker = stage.start("worker").says("worker.started")
    _until_moved(client, "monarq:dead:default")
    worker.process.terminate()
    assert worker.ends() == 0
    assert run_sql(database_url, "SELECT count(*) FROM monarq.dead_letters")[0][0] == 3
    assert [one["job_id"] for one in json.loads(stage.monarq("dead", "list", "--json").stdout)] == [
        "c",
        "b",
        "a",
    ]
    [group] = json.loads(stage.monarq("dead", "groups", "--json").stdout)
    assert (group["count"], group["sample"]) == (3, "c")
    assert "ValueError: no row 7" in stage.monarq("dead", "show", "a").stdout
    assert "It is dead since" in stage.monarq("why", "a").stdout
    [default] = [
        one for one in json.loads(stage.monarq("queues", "--json").stdout) if one["queue"] == "default"
    ]
    assert default["dead"] == 3
    replayed = stage.monarq("dead", "replay", "a", "b")
    assert (replayed.returncode, replayed.stdout) == (0, "replayed 2\n")
    assert set(client.zrange("arq:queue", 0, -1)) == {"a", "b"}
    assert stage.monarq("dead", "discard", "--all").stdout == "discarded 1\n"
    assert stage.monarq("why", "c").returncode == 1


def _until_moved(client: Any, key: str) -> None:
    from .stage import eventually

    eventually(lambda: not client.exists(key))
