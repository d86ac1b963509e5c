"""`monarq reconcile`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from monarq.jobs.cli.reconcile import _MEANING
from tests.integration.postgres.rows import Pair, many, open_pair

from .stage import Stage

With = Callable[[Callable[[Pair], Awaitable[Any]]], Any]


@pytest.fixture
def on_pair(redis_url: str, database_url: str) -> With:
    """Does something at both servers."""

    def run(work: Callable[[Pair], Awaitable[Any]]) -> Any:
        async def opened() -> Any:
            async with open_pair(redis_url, database_url) as pair:
                return await work(pair)

        return asyncio.run(opened())

    return run


@pytest.fixture
def app(stage: Stage, database_url: str) -> Stage:
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    return stage


def test_where_nothing_is_missing_it_says_so(app: Stage) -> None:
    restored = app.monarq("reconcile")
    assert (restored.returncode, restored.stdout[:28]) == (0, "restored 0 of 0 durable jobs")
    checked = app.monarq("reconcile", "--check")
    assert (checked.returncode, checked.stdout) == (0, "")
    assert checked.stderr == "no difference; 0 durable jobs have not ended\n"


def test_what_is_missing_is_shown_first_and_then_restored(app: Stage, on_pair: With) -> None:
    rows = many(12)

    async def lose_some(pair: Pair) -> None:
        await pair.write(rows)
        await pair.push(rows[:2])
        await pair.end(rows[0].job_id)

    on_pair(lose_some)
    checked = app.monarq("reconcile", "--check")
    assert checked.returncode == 1
    assert checked.stdout.splitlines() == [
        "jobs\twhat\tmeaning\tsuch as",
        "10\tmissing\tRedis has lost them\tjob-000002, job-000003, job-000004",
        f"1\tended\t{_MEANING['ended']}\tjob-000000",
    ]
    assert "Redis may have lost jobs: PostgreSQL has not seen this Redis before" in checked.stderr
    restored = app.monarq("reconcile")
    assert restored.returncode == 0
    assert restored.stdout.startswith("restored 10 of 11 durable jobs in ")
    assert app.monarq("reconcile", "--check").returncode == 0
    app.monarq("reconcile")  # it changes nothing, and so is no act
    [act] = json.loads(app.monarq("audit", "--json").stdout)
    assert (act["action"], act["subject"], act["place"]) == ("reconcile", "durable jobs", "the command line")
    assert act["detail"] == {"open": 11, "restored": 10, "renumbered": 0}
    assert on_pair(lambda pair: pair.waiting()) == {row.job_id for row in rows}


def test_as_json(app: Stage, on_pair: With) -> None:
    on_pair(lambda pair: pair.write(many(3, fence=2, worker="w")))
    checked = app.monarq("reconcile", "--check", "--json")
    assert checked.returncode == 1
    samples = ["job-000000", "job-000001", "job-000002"]
    assert json.loads(checked.stdout) == {
        "in_step": False,
        "loss": "PostgreSQL has not seen this Redis before",
        "open": 3,
        "missing": {"count": 3, "samples": samples},
        "behind": {"count": 0, "samples": []},
        "ended": {"count": 0, "samples": []},
    }
    restored = json.loads(app.monarq("reconcile", "--json").stdout)
    assert restored.pop("seconds") < 60
    assert restored == {"open": 3, "restored": 3, "renumbered": 0}


def test_without_a_database_it_says_what_to_set(stage: Stage) -> None:
    ended = stage.monarq("reconcile")
    assert ended.returncode == 78
    assert "MONARQ_DATABASE_URL" in ended.stderr


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_without_a_server_it_ends_with_69(stage: Stage, options: list[str]) -> None:
    ended = stage.monarq("reconcile", *options, MONARQ_DATABASE_URL="postgresql://127.0.0.1:1/nothing")
    assert ended.returncode == 69
    assert "Traceback" not in ended.stderr
