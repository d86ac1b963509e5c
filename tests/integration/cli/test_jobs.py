"""`monarq jobs`: the history from the shell."""

import asyncio
import json

import asyncpg
import pytest

from benchmarks.made_up_history import COLUMNS, NOW, MadeUpHistory, write
from tests.servers import free_port

from .stage import Stage, eventually

HISTORY = MadeUpHistory(300, 1)
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in HISTORY.rows()]


@pytest.fixture
def filled(bare_stage: Stage, database_url: str) -> Stage:
    """A stage without Redis, with a history."""

    async def fill() -> None:
        connection = await asyncpg.connect(database_url)
        await write(connection, HISTORY)
        await connection.close()

    asyncio.run(fill())
    bare_stage.environ["MONARQ_DATABASE_URL"] = database_url
    return bare_stage


def test_the_newest_are_listed_a_page_at_a_time(filled: Stage) -> None:
    newest = [row["job_id"] for row in reversed(ROWS)]
    first = filled.monarq("jobs", "--limit", "3")
    assert [line.split("\t")[0] for line in first.stdout.splitlines()] == ["id", *newest[:3]]
    cursor = first.stderr.rpartition(" ")[2].strip()
    following = json.loads(filled.monarq("jobs", "--limit", "2", "--after", cursor, "--json").stdout)
    assert [job["job_id"] for job in following["jobs"]] == newest[3:5]
    assert following["next"]


def test_all_filters_are_options(filled: Stage) -> None:
    row = next(row for row in ROWS if row["state"] == "dead" and row["tags"])
    payload = json.loads(row["payload"])
    options = {
        "--state": "dead",
        "--queue": row["queue"],
        "--kind": row["kind"],
        "--priority": row["priority"],
        "--tag": row["tags"][0],
        "--worker": row["worker"],
        "--fingerprint": row["fingerprint"],
        "--since": row["ended_at"].isoformat(),
        "--until": NOW.replace(year=2027).isoformat(),
        "--text": row["error_type"],
        "--payload": f"order={payload['order']}",
        "--sort": "slowest",
    }
    given = [word for option in options.items() for word in option]
    country = ("-p", f"customer.country={payload['customer']['country']}")
    ended = filled.monarq("jobs", *given, *country, "--json")
    assert ended.returncode == 0, ended.stderr
    assert [job["job_id"] for job in json.loads(ended.stdout)["jobs"]] == [row["job_id"]]
    ended = filled.monarq("jobs", *given, "-p", "customer.country=nowhere")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "no such job has ended\n")


def test_jobs_are_counted(filled: Stage) -> None:
    assert filled.monarq("jobs", "--count").stdout == "300\n"
    dead = sum(row["state"] == "dead" for row in ROWS)
    told = json.loads(filled.monarq("jobs", "--count", "--state", "dead", "--json").stdout)
    assert told == {"count": dead, "is_capped": False}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--state", "ready"), "state"),
        (("--priority", "urgent"), "priority"),
        (("--payload", "width"), "payload"),
        (("--since", "soon"), "since"),
        (("--after", "x"), "cursor"),
        (("--sort", "best"), "--sort"),
    ],
)
def test_an_option_that_cannot_be_is_named(filled: Stage, options: tuple[str, ...], named: str) -> None:
    ended = filled.monarq("jobs", *options)
    assert ended.returncode == 2
    assert named in ended.stderr


def test_without_a_database_it_says_what_to_set(bare_stage: Stage) -> None:
    for command in (("jobs",), ("jobs", "show", "a")):
        ended = bare_stage.monarq(*command)
        assert ended.returncode == 78
        assert "MONARQ_DATABASE_URL" in ended.stderr


def test_a_database_that_is_away_is_told_as_such(bare_stage: Stage) -> None:
    away = f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"
    ended = bare_stage.monarq("jobs", MONARQ_DATABASE_URL=away)
    assert ended.returncode == 69
    assert "set MONARQ_DATABASE_URL" in ended.stderr


def test_a_job_that_is_not_there_ends_with_1_and_a_hint(filled: Stage) -> None:
    ended = filled.monarq("jobs", "show", "nobody")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "monarq why nobody" in ended.stderr


def test_what_a_worker_has_run_is_found_by_its_tags_and_shown(stage: Stage, database_url: str) -> None:
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    stage.start("worker").says("worker.started")
    stage.monarq("enqueue", "add", "--args", "[1, 2]", "--job-id", "sum", "--tag", "eu", "--tag", "vip")
    stage.monarq("enqueue", "boom", "--args", '{"text": "bad luck"}', "--job-id", "bang", "--wait")

    found = eventually(lambda: json.loads(stage.monarq("jobs", "--tag", "vip", "--json").stdout)["jobs"])
    assert [(job["job_id"], job["tags"]) for job in found] == [("sum", ["eu", "vip"])]

    eventually(lambda: "bang" in stage.monarq("jobs", "--text", "luck").stdout)
    shown = stage.monarq("jobs", "show", "bang").stdout
    for told in ("dead", "boom", "ValueError: bad luck", "Traceback", '{"text":"bad luck"}', "attempt 1"):
        assert told in shown
    [story] = json.loads(stage.monarq("jobs", "show", "bang", "--json").stdout)
    assert (story["state"], story["payload"]) == ("dead", {"text": "bad luck"})
    assert story["past_attempts"][0]["error_type"] == "ValueError"
