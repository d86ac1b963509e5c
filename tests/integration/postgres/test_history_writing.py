"""Writing jobs that have ended: once each, whatever they hold and whatever became of the last try."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from monarq.jobs.errors import DatabaseRefused, DatabaseUnavailable
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.history_writing import record
from monarq.jobs.store.postgres.repositories.attempts import AttemptRow
from monarq.jobs.store.postgres.repositories.jobs import EndedJob, JobRow
from monarq.worker.maintenance.history_days import DAYS_AHEAD, HistoryDays
from tests.postgres import PostgresServer
from tests.postgres_proxy import PostgresProxy
from tests.servers import free_port

pytestmark = pytest.mark.every_postgres

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def an_ended_job(job_id: str = "a", *, attempts: int = 0, ended_at: datetime = NOW, **facts: Any) -> EndedJob:
    empty: dict[str, Any] = dict.fromkeys(JobRow._fields)
    told = {"state": "succeeded", "queue": "default", "kind": "k", "priority": "normal"}
    counts = {"tags": (), "attempts": 1, "starts": 1}
    job = JobRow(**empty | told | counts | {"job_id": job_id, "ended_at": ended_at} | facts)
    went_wrong = [
        AttemptRow(job_id, ended_at, number, "error", "E", "boom", "trace", "w", NOW, NOW)
        for number in range(1, attempts + 1)
    ]
    return EndedJob(job, went_wrong)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(Settings(database_url=database_url))
    yield opened
    await opened.close()


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def test_a_job_is_written_with_its_attempts(database: Database, connection: asyncpg.Connection) -> None:
    ended = an_ended_job(attempts=2, tags=["red", "blue", "red"], payload='{"x": 1}', result="[2]")
    assert await record(database, [ended, an_ended_job("b")]) == []
    [a, b] = await connection.fetch("SELECT * FROM monarq.jobs ORDER BY job_id")
    assert tuple(a[name] for name in JobRow._fields) == ended.job
    assert b["job_id"] == "b"
    attempts = await connection.fetch("SELECT * FROM monarq.attempts ORDER BY number")
    assert [tuple(row.values()) for row in attempts] == ended.attempts


async def test_a_batch_whose_commit_was_not_answered_is_written_once(
    database: Database, connection: asyncpg.Connection
) -> None:
    """It is written again, since nobody knows; together with one that has come meanwhile."""
    batch = [an_ended_job("a", attempts=1, tags=["t"]), an_ended_job("b")]
    await record(database, batch)
    assert await record(database, [*batch, an_ended_job("c")]) == []
    assert [row["job_id"] for row in await connection.fetch("SELECT * FROM monarq.jobs ORDER BY 1")] == [
        *"abc"
    ]
    assert await connection.fetchval("SELECT count(*) FROM monarq.attempts") == 1


async def test_a_batch_is_tried_again_after_a_commit_that_was_done_and_not_told(
    database_url: str, connection: asyncpg.Connection
) -> None:
    batch = [an_ended_job(str(number), attempts=1, tags=["t"]) for number in range(10)]
    await record(database := open_database(Settings(database_url=database_url)), [an_ended_job("before")])
    await database.close()
    async with PostgresProxy(database_url) as proxy:
        database = open_database(Settings(database_url=proxy.url))
        proxy.cut_after("COMMIT")
        with pytest.raises(DatabaseUnavailable):
            await record(database, batch)
        assert proxy.struck == 1
        assert await connection.fetchval("SELECT count(*) FROM monarq.jobs") == 11
        assert await record(database, batch) == []
        await database.close()
    for table in ("jobs WHERE job_id <> 'before'", "attempts"):
        assert await connection.fetchval(f"SELECT count(*) FROM monarq.{table}") == 10


async def test_a_job_that_ends_twice_has_a_row_for_each_end(
    database: Database, connection: asyncpg.Connection
) -> None:
    await record(database, [an_ended_job(state="dead"), an_ended_job(ended_at=NOW + timedelta(seconds=1))])
    rows = await connection.fetch("SELECT state FROM monarq.jobs ORDER BY ended_at")
    assert [row["state"] for row in rows] == ["dead", "succeeded"]


NASTY = {
    "a NUL in the arguments": ({"payload": '{"x":"a\\u0000b"}'}, {"x": "a\\x00b"}),
    "a NUL in a name": ({"payload": '{"a\\u0000":1}'}, {"a\\x00": 1}),
    "a lone surrogate": ({"payload": '{"x":"\\ud800"}'}, {"x": "\\ud800"}),
    "half an emoji as bytes": ({"payload": '{"x":"\udcf0"}'}, {"x": "\\udcf0"}),
    "a number without end": ({"payload": '{"x":1e999999,"y":1}'}, {"x": "1e999999", "y": 1}),
    "a very long number": ({"payload": '{"x":' + "9" * 200_000 + "}"}, {"x": "9" * 200_000}),
    "no number": ({"payload": '{"x":NaN}'}, {"x": "NaN"}),
    "no JSON": ({"payload": "{"}, None),
    "a deep one": ({"payload": "[" * 100_000 + "]" * 100_000}, None),
}


@pytest.mark.parametrize("nasty", NASTY.values(), ids=NASTY)
async def test_what_cannot_be_stored_is_told_otherwise_and_hurts_no_other(
    database: Database, connection: asyncpg.Connection, nasty: tuple[dict[str, Any], Any]
) -> None:
    facts, kept = nasty
    batch = [
        an_ended_job("before", payload='{"x": 1}'),
        an_ended_job("nasty", **facts),
        an_ended_job("after"),
    ]
    assert await record(database, batch) == []
    assert await connection.fetchval("SELECT count(*) FROM monarq.jobs") == 3
    await connection.set_type_codec("jsonb", encoder=str, decoder=_parse, schema="pg_catalog")
    assert await connection.fetchval("SELECT payload FROM monarq.jobs WHERE job_id = 'nasty'") == kept
    assert await connection.fetchval("SELECT payload FROM monarq.jobs WHERE job_id = 'before'") == {"x": 1}


def _parse(text: str) -> Any:
    import json

    return json.loads(text)


@pytest.mark.parametrize("job_id", ["nul\0", "bytes\udcff", "long" * 1000])
async def test_an_id_of_others_may_be_anything(
    database: Database, connection: asyncpg.Connection, job_id: str
) -> None:
    odd = an_ended_job(job_id, attempts=1, tags=[job_id], error_message=job_id, error_type=job_id)
    assert await record(database, [odd, an_ended_job("b")]) == []
    assert await connection.fetchval("SELECT count(*) FROM monarq.jobs") == 2


async def test_a_job_that_cannot_be_stored_at_all_is_refused_alone(
    database: Database, connection: asyncpg.Connection
) -> None:
    jobs = [an_ended_job(str(number)) for number in range(20)]
    [refusal] = await record(database, [*jobs, an_ended_job("wrong", state="unheard of")])
    assert refusal.job_id == "wrong"
    assert "check constraint" in refusal.why
    assert await connection.fetchval("SELECT count(*) FROM monarq.jobs") == 20


@pytest.mark.parametrize("days", [-40, -1, 0, 1, 30])
async def test_a_job_of_any_day_finds_room(
    database: Database, connection: asyncpg.Connection, days: int
) -> None:
    """A worker that starts on a new day, or comes back after many, makes the partition that it needs."""
    ended_at = NOW + days * DAY
    assert await record(database, [an_ended_job(ended_at=ended_at, attempts=1, tags=["t"])]) == []
    assert await connection.fetchval("SELECT ended_at FROM monarq.jobs") == ended_at


async def test_jobs_on_both_sides_of_midnight_are_written_at_once(
    database: Database, connection: asyncpg.Connection
) -> None:
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = [midnight - timedelta(microseconds=1), midnight, midnight + DAY]
    jobs = [an_ended_job(str(at), ended_at=at) for at in moments]
    assert await record(database, jobs) == []
    found = await connection.fetch("SELECT DISTINCT tableoid::regclass::text AS name FROM monarq.jobs")
    assert len(found) == 3


async def test_nothing_is_refused_by_a_database_that_is_away_or_has_no_tables(
    database: Database, postgres: PostgresServer
) -> None:
    """Else all that ends meanwhile would count as what can never be stored."""
    away = open_database(Settings(database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/postgres"))
    with pytest.raises(DatabaseUnavailable):
        await record(away, [an_ended_job()])
    empty = open_database(
        Settings(database_url=await asyncio.to_thread(postgres.new_database, migrated=False))
    )
    with pytest.raises(DatabaseRefused):
        await record(empty, [an_ended_job()])
    await empty.close()


# --- days


async def days_of(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
        " WHERE inhparent = 'monarq.jobs'::regclass ORDER BY relname"
    )
    return [row["relname"] for row in rows]


async def test_days_are_made_ahead_once(database: Database, connection: asyncpg.Connection) -> None:
    days = HistoryDays(database, keep=30 * DAY)
    assert await days.tend() == (DAYS_AHEAD + 2, 0)
    assert await days.tend() == (0, 0)
    today = await connection.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
    wanted = [today + timedelta(days=ahead) for ahead in range(-1, DAYS_AHEAD + 1)]
    assert await days_of(connection) == [f"jobs_{day:%Y%m%d}" for day in wanted]


async def test_workers_that_start_at_once_make_each_day_once(database: Database) -> None:
    made = await asyncio.gather(*(HistoryDays(database, keep=DAY).tend() for _ in range(4)))
    assert sum(made for made, _ in made) == DAYS_AHEAD + 2


async def test_whole_days_are_dropped_after_their_time(
    database: Database, connection: asyncpg.Connection
) -> None:
    today = await connection.fetchval("SELECT now()")  # not when this run began: it may have been yesterday
    await record(database, [an_ended_job(str(age), ended_at=today - age * DAY) for age in (0, 6, 7, 8, 20)])
    days = HistoryDays(database, keep=7 * DAY)
    assert (await days.tend())[1] == 2
    rows = await connection.fetch("SELECT job_id FROM monarq.jobs ORDER BY ended_at")
    assert [row["job_id"] for row in rows] == ["7", "6", "0"]


async def test_for_ever_is_for_ever(database: Database, connection: asyncpg.Connection) -> None:
    await record(database, [an_ended_job(ended_at=NOW - 4000 * DAY)])
    assert (await HistoryDays(database, keep=timedelta(0)).tend())[1] == 0
    assert await connection.fetchval("SELECT count(*) FROM monarq.jobs") == 1
