"""`monarq relay` and `monarq outbox`: as an operator uses them."""

import json
import signal

import pytest

from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.store.keys import queue_keys
from tests.postgres import run_sql

from .stage import Stage, eventually

HEAD = b'{"m":{"v":1,"o":1},"t":null,"f":"add","a":[],"k":{"a":1},"et":'
INSERT = "INSERT INTO monarq.outbox (job_id, queue, kind, head) VALUES ($1, 'default', 'add', $2)"


@pytest.fixture
def stage(stage: Stage, database_url: str) -> Stage:
    """An app's folder, with both servers."""
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    return stage


def test_a_relay_runs_until_it_is_told_to_stop(stage: Stage, database_url: str, client: object) -> None:
    relay = stage.start("relay").says("relay.started")
    run_sql(database_url, INSERT, "a", HEAD)
    eventually(lambda: client.zscore(queue_keys("default").ranks[2], "a"))  # type: ignore[attr-defined]
    relay.process.send_signal(signal.SIGTERM)
    assert relay.process.wait(20) == 0
    assert run_sql(database_url, "SELECT FROM monarq.outbox") == []


def test_a_relay_without_a_database_says_what_is_missing(stage: Stage) -> None:
    del stage.environ["MONARQ_DATABASE_URL"]
    done = stage.monarq("relay")
    assert done.returncode == ExitCode.CONFIG
    assert "MONARQ_DATABASE_URL" in done.stderr


def test_the_outbox_is_shown_in_numbers_and_what_is_set_aside(stage: Stage, database_url: str) -> None:
    run_sql(database_url, INSERT, "waits", HEAD)
    aside = "UPDATE monarq.outbox SET set_aside_at = clock_timestamp(), reason = 'bad' WHERE job_id = 'bad'"
    run_sql(database_url, INSERT, "bad", b"bad")
    run_sql(database_url, aside)
    told = stage.monarq("outbox", "show").stdout
    assert "waiting: 1, the oldest for" in told
    assert "set aside: 1" in told
    assert "bad\tdefault\tadd" in told
    document = json.loads(stage.monarq("outbox", "show", "--json").stdout)
    assert (document["waiting"], document["set_aside"]) == (1, 1)
    assert document["lag_seconds"] > 0
    assert [row["job_id"] for row in document["rows"]] == ["bad"]


def test_why_knows_a_job_that_no_relay_has_sent(stage: Stage, database_url: str) -> None:
    run_sql(database_url, INSERT, "waits", HEAD)
    told = stage.monarq("why", "waits")
    assert (told.returncode, "the next relay sends it to Redis" in told.stdout) == (0, True)


def test_an_empty_outbox_is_shown_as_such(stage: Stage) -> None:
    assert stage.monarq("outbox", "show").stdout == "waiting: 0; set aside: 0\n"


def _set_aside(database_url: str, *job_ids: str) -> None:
    for job_id in job_ids:
        run_sql(database_url, INSERT, job_id, HEAD)
    run_sql(database_url, "UPDATE monarq.outbox SET set_aside_at = clock_timestamp(), reason = 'broken'")


def test_what_is_set_aside_is_sent_again(stage: Stage, database_url: str) -> None:
    _set_aside(database_url, "a", "b", "c")
    assert stage.monarq("outbox", "retry", "a").stdout == "sent again: 1\n"
    left = run_sql(database_url, "SELECT job_id FROM monarq.outbox WHERE reason IS NULL")
    assert [row[0] for row in left] == ["a"]
    missing = stage.monarq("outbox", "retry", "a", "nobody")
    assert (missing.returncode, missing.stdout) == (ExitCode.FAILURE, "sent again: 0\n")
    assert "nobody is not set aside" in missing.stderr
    assert json.loads(stage.monarq("outbox", "retry", "--all", "--json").stdout)["missing"] == []
    assert run_sql(database_url, "SELECT FROM monarq.outbox WHERE reason IS NOT NULL") == []


def test_what_is_discarded_is_gone_and_a_durable_job_ends(stage: Stage, database_url: str) -> None:
    _set_aside(database_url, "a", "b")
    run_sql(
        database_url, "INSERT INTO monarq.durable_jobs (job_id, queue, kind, head) VALUES ('a', '', '', '')"
    )
    assert stage.monarq("outbox", "discard", "a").stdout == "discarded: 1\n"
    [(state, result)] = run_sql(database_url, "SELECT state, result FROM monarq.durable_jobs")
    assert state == "cancelled"
    assert "discarded from the outbox" in json.loads(result)["r"]["reason"]
    assert [row[0] for row in run_sql(database_url, "SELECT job_id FROM monarq.outbox")] == ["b"]


def test_who_did_it_stands_in_the_audit(stage: Stage, database_url: str) -> None:
    _set_aside(database_url, "a", "b")
    stage.monarq("outbox", "retry", "a")
    stage.monarq("outbox", "discard", "--all")
    acts = run_sql(database_url, "SELECT action, subject, actor FROM monarq.audit ORDER BY id")
    assert [(act["action"], act["subject"]) for act in acts] == [
        ("outbox.retry", "a"),
        ("outbox.discard", "b"),
    ]
    assert all(act["actor"] for act in acts)


def test_what_waits_is_not_discarded(stage: Stage, database_url: str) -> None:
    run_sql(database_url, INSERT, "waits", HEAD)
    assert stage.monarq("outbox", "discard", "waits").returncode == ExitCode.FAILURE
    assert stage.monarq("outbox", "discard", "--all").stdout == "discarded: 0\n"
    assert len(run_sql(database_url, "SELECT FROM monarq.outbox")) == 1


@pytest.mark.parametrize("command", ["retry", "discard"])
@pytest.mark.parametrize("arguments", [(), ("a", "--all")], ids=["neither", "both"])
def test_who_names_neither_ids_nor_all_is_asked_to(
    stage: Stage, command: str, arguments: tuple[str, ...]
) -> None:
    assert stage.monarq("outbox", command, *arguments).returncode == ExitCode.USAGE
