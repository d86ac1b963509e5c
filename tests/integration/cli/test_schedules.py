"""`monarq schedules`: when cron jobs are due, as their workers have written it down."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.schedule import Schedule

from .stage import Stage

NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def stage(tmp_path: Path, redis_url: str, database_url: str) -> Any:
    stage = Stage(tmp_path, redis_url)
    stage.environ["MONARQ_DATABASE_URL"] = database_url
    yield stage
    stage.clear()


async def tell(url: str) -> None:
    told = Schedule(
        queue="mail",
        name="digest (2)",
        kind="digest",
        times="Monday; 12:00",
        timezone="Europe/Berlin",
        is_unique=True,
        next_due_at=NOON,
        last_due_at=None,
        last_job_id=None,
    )
    database = open_database(Settings(database_url=url))
    await database.transact(lambda unit: unit.schedules.put([told], "w"))
    await database.close()


def test_schedules_are_shown_with_when_they_are_due(stage: Stage, database_url: str) -> None:
    asyncio.run(tell(database_url))
    head, row = stage.monarq("schedules", TZ="UTC").stdout.splitlines()
    assert head.split("\t") == ["name", "kind", "queue", "when", "next", "last", "last job"]
    when = "Monday; 12:00 (Europe/Berlin)"
    assert row.split("\t") == ["digest (2)", "digest", "mail", when, "2030-01-31 12:00:00+00:00", "-", "-"]
    [document] = json.loads(stage.monarq("schedules", "--json").stdout)
    assert (document["name"], document["worker"], document["last_job_id"]) == ("digest (2)", "w", None)
    assert datetime.fromisoformat(document["next_due_at"]) == NOON


def test_none_is_no_failure(stage: Stage) -> None:
    ended = stage.monarq("schedules")
    assert (ended.stdout, ended.stderr.strip()) == ("", "no worker has told of a cron job")
    assert json.loads(stage.monarq("schedules", "--json").stdout) == []
