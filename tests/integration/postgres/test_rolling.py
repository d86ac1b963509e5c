"""The roll-ups of the history say what the history says, whatever came late, twice, or after an outage."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from monarq.jobs.histogram import BOUNDS_MS, BUCKETS
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database, rolling
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.history_writing import record
from monarq.jobs.store.postgres.repositories.jobs import EndedJob, JobRow
from monarq.jobs.store.postgres.rolling import FIVE_KEPT, Roller
from monarq.jobs.store.postgres.rollup_reader import RollupReader
from monarq.jobs.store.postgres.rollup_search import RollupFilter, by_time
from monarq.jobs.store.postgres.statements import statement
from monarq.worker.maintenance.rollups import Rollups

pytestmark = pytest.mark.every_postgres

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATES = ("succeeded", "dead", "cancelled", "expired")
#: The same numbers, from the history itself, in other words than the roll-up's own.
PLAIN = """
    SELECT
        date_bin(make_interval(mins => $1), ended_at, 'epoch') AS began_at, queue, kind,
        sum((state = 'succeeded')::int) AS succeeded, sum((state = 'dead')::int) AS dead,
        sum((state = 'cancelled')::int) AS cancelled, sum((state = 'expired')::int) AS expired,
        sum((state = 'succeeded' AND attempts >= 2)::int) AS recovered,
        sum(attempts) AS attempts, sum(starts) AS starts,
        sum(coalesce(run_ms, 0)) AS run_ms, sum(coalesce(wait_ms, 0)) AS wait_ms,
        array_agg(run_ms) AS runs, array_agg(wait_ms) AS waits
    FROM monarq.jobs GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def now() -> datetime:
    return datetime.now(UTC)


def ended(at: datetime, number: int = 0, **facts: Any) -> EndedJob:
    empty: dict[str, Any] = dict.fromkeys(JobRow._fields)
    told = {"state": "succeeded", "queue": "default", "kind": "k", "priority": "normal", "tags": ()}
    counts = {"attempts": 1, "starts": 1, "job_id": f"{at.isoformat()}-{number}", "ended_at": at}
    return EndedJob(JobRow(**empty | told | counts | facts))


def made_up(count: int, since: datetime, until: datetime, *, seed: int = 1) -> list[EndedJob]:
    """Jobs of all sorts, some of which take just as long as a bound."""
    chance = random.Random(seed)
    times = (None, 0, *BOUNDS_MS, *(bound + 1 for bound in BOUNDS_MS), 10**9)
    return [
        ended(
            since + (until - since) * chance.random(),
            number,
            state=chance.choices(STATES, (80, 10, 5, 5))[0],
            queue=chance.choice(("default", "mail")),
            kind=chance.choice("abc"),
            attempts=chance.randrange(4),
            starts=chance.randrange(5),
            run_ms=chance.choice(times),
            wait_ms=chance.choice(times),
        )
        for number in range(count)
    ]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(Settings(database_url=database_url))
    yield opened
    await opened.close()


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


async def write(database: Database, jobs: Sequence[EndedJob]) -> None:
    assert await record(database, jobs) == []


async def roll_up(database: Database, keep: timedelta = timedelta(0)) -> int:
    """Roll up all that there is; in how many steps."""
    roller, steps = Roller(database, keep=keep), 0
    while True:
        turn = await roller.step()
        assert turn is not None
        steps += 1
        if turn.is_done:
            return steps


async def rolled_up(sql: asyncpg.Connection, minutes: int) -> list[dict[str, Any]]:
    rows = await sql.fetch(
        "SELECT * FROM monarq.rollups WHERE minutes = $1 ORDER BY began_at, queue, kind", minutes
    )
    return [{name: value for name, value in row.items() if name != "minutes"} for row in rows]


async def plainly(sql: asyncpg.Connection, minutes: int, since: datetime = EPOCH) -> list[dict[str, Any]]:
    found = []
    for row in await sql.fetch(PLAIN, minutes):
        told = dict(row)
        told["run_counts"], told["wait_counts"] = counted(told.pop("runs")), counted(told.pop("waits"))
        if told["began_at"] >= since:
            found.append(told)
    return found


def counted(times: list[int | None]) -> list[int]:
    counts = [0] * BUCKETS
    for time in times:
        if time is not None:
            counts[sum(time > bound for bound in BOUNDS_MS)] += 1
    return counts


async def total(sql: asyncpg.Connection, minutes: int = 60) -> int:
    return int(
        await sql.fetchval(
            "SELECT coalesce(sum(succeeded + dead + cancelled + expired), 0) FROM monarq.rollups "
            "WHERE minutes = $1",
            minutes,
        )
    )


async def assert_told_as_it_is(sql: asyncpg.Connection) -> None:
    """Hours of all, and spans of five minutes of the last days."""
    assert await rolled_up(sql, 60) == await plainly(sql, 60)
    assert await rolled_up(sql, 5) == await plainly(sql, 5, rolling._first_fine(now()))


async def test_a_roll_up_says_what_the_history_says(database: Database, sql: asyncpg.Connection) -> None:
    await write(database, made_up(2_000, now() - 5 * HOUR, now()))
    assert await roll_up(database) >= 5  # a step per hour; a sixth, if the present one is 5 min old
    await assert_told_as_it_is(sql)
    assert await total(sql) == await total(sql, 5) == 2_000


async def test_without_a_history_there_is_nothing_to_count(
    database: Database, sql: asyncpg.Connection
) -> None:
    assert await roll_up(database) == 1
    assert await rolled_up(sql, 60) == []


async def test_doing_it_again_changes_and_writes_nothing(database: Database, sql: asyncpg.Connection) -> None:
    await write(database, made_up(300, now() - HOUR, now()))
    await roll_up(database)
    versions = await sql.fetch("SELECT ctid, xmin FROM monarq.rollups ORDER BY ctid")
    assert await roll_up(database) == 1
    assert await sql.fetch("SELECT ctid, xmin FROM monarq.rollups ORDER BY ctid") == versions


async def test_what_ended_since_the_last_time_is_added(database: Database, sql: asyncpg.Connection) -> None:
    for seed in range(4):
        await write(database, made_up(100, now() - MINUTE, now(), seed=seed))
        assert await roll_up(database) == 1
        await assert_told_as_it_is(sql)


async def test_a_table_that_a_later_release_has_widened_is_served(
    database: Database, sql: asyncpg.Connection
) -> None:
    """`monarq migrate` comes before the new release's processes: those of the old one go on meanwhile."""
    await sql.execute("ALTER TABLE monarq.rollups ADD COLUMN snoozed integer NOT NULL DEFAULT 0")
    for seed in range(2):
        await write(database, made_up(50, now() - MINUTE, now(), seed=seed))
        await roll_up(database)
    assert await total(sql) == await total(sql, 5) == 100


async def test_a_job_that_ended_ahead_of_the_clock_is_counted(
    database: Database, sql: asyncpg.Connection
) -> None:
    await write(database, [ended(now() + 5 * MINUTE)])
    await roll_up(database)
    assert await total(sql) == 1


async def test_after_an_outage_all_is_counted_hour_by_hour(
    database: Database, sql: asyncpg.Connection
) -> None:
    await roll_up(database)
    await sql.execute("UPDATE monarq.rollup_progress SET counted_until = counted_until - interval '30 hours'")
    await write(database, made_up(1_000, now() - 30 * HOUR, now()))
    await sql.execute("DELETE FROM monarq.late_ends")
    assert await roll_up(database) >= 30
    await assert_told_as_it_is(sql)


async def test_a_rest_in_which_nothing_ended_is_skipped(database: Database, sql: asyncpg.Connection) -> None:
    await write(database, [ended(now() - 20 * DAY), ended(now())])
    assert await roll_up(database) < 6
    await assert_told_as_it_is(sql)


@pytest.mark.parametrize("age", [20 * MINUTE, 3 * HOUR, 2 * DAY, FIVE_KEPT + DAY, 20 * DAY])
async def test_what_is_written_late_is_counted(
    database: Database, sql: asyncpg.Connection, age: timedelta
) -> None:
    """By a worker to which PostgreSQL was away, say, while others wrote and rolled up."""
    await write(database, made_up(50, now() - age - HOUR, min(now(), now() - age + HOUR)))
    await roll_up(database)
    await write(database, made_up(50, now() - age - 2 * MINUTE, now() - age, seed=2))
    await write(database, [ended(now() - age, 1)])
    await roll_up(database)
    await assert_told_as_it_is(sql)
    assert await total(sql) == 101
    assert await sql.fetchval("SELECT count(*) FROM monarq.late_ends") == 0


async def test_what_is_written_late_while_it_is_rolled_up_is_counted_the_next_time(
    database: Database, sql: asyncpg.Connection
) -> None:
    await write(database, [ended(now() - DAY, 0)])
    await roll_up(database)
    async with database.unit() as unit:
        late = ended(now() - DAY, 1)
        await unit.jobs.copy([late.job])
        await unit.rollups.add_late({rolling._floor(late.job.ended_at, 5)})
        await write(database, [ended(late.job.ended_at, 2)])
        await roll_up(database)
        assert await total(sql) == 2
        await unit.commit()
    await roll_up(database)
    assert await total(sql) == 3


async def test_more_late_spans_than_one_step_takes_are_counted_by_the_next_steps(
    database: Database, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "_LATE_AT_ONCE", 3)
    await roll_up(database)
    for hours in range(1, 9):
        await write(database, [ended(now() - hours * HOUR)])
    assert await roll_up(database) == 3
    await assert_told_as_it_is(sql)


async def test_of_what_is_old_there_are_hours_only_and_they_stay_right(
    database: Database, sql: asyncpg.Connection
) -> None:
    await write(database, made_up(500, now() - 6 * DAY, now()))
    await roll_up(database)
    await assert_told_as_it_is(sql)
    await sql.execute("UPDATE monarq.rollups SET began_at = began_at - interval '3 days' WHERE minutes = 5")
    await roll_up(database)
    assert all(row["began_at"] >= now() - FIVE_KEPT - DAY for row in await rolled_up(sql, 5))
    assert await rolled_up(sql, 60) == await plainly(sql, 60)


async def test_the_numbers_outlive_the_history_and_are_forgotten_after_a_time_of_their_own(
    database: Database, sql: asyncpg.Connection
) -> None:
    await write(database, [ended(now() - 20 * DAY), ended(now() - 9 * DAY), ended(now())])
    await roll_up(database, keep=30 * DAY)
    await sql.fetchval("SELECT monarq.drop_history_before($1)", (now() - DAY).date())
    await roll_up(database, keep=30 * DAY)
    assert await total(sql) == 3
    await roll_up(database, keep=10 * DAY)
    assert await total(sql) == 2
    await roll_up(database)
    assert await total(sql) == 2


async def test_one_at_a_time_rolls_up(database: Database, sql: asyncpg.Connection) -> None:
    await write(database, made_up(500, now() - 3 * HOUR, now()))
    async with sql.transaction():
        await sql.fetchval("SELECT pg_advisory_xact_lock(hashtext('monarq.rollups'))")
        assert await Roller(database, keep=DAY).step() is None
        assert not await Rollups(Roller(database, keep=DAY)).catch_up()
    fleet = [Rollups(Roller(database, keep=timedelta(0))) for _ in range(4)]
    assert any(await asyncio.gather(*(one.catch_up() for one in fleet)))
    await assert_told_as_it_is(sql)


async def test_what_is_written_in_time_is_not_marked_as_late(
    database: Database, sql: asyncpg.Connection
) -> None:
    await write(database, made_up(100, now() - 4 * MINUTE, now()))
    assert await sql.fetchval("SELECT count(*) FROM monarq.late_ends") == 0


async def test_what_is_counted_is_found_by_an_index_in_its_own_day(sql: asyncpg.Connection) -> None:
    await sql.execute("SELECT monarq.make_history_days(current_date - 3, 5)")
    await sql.execute("""
        INSERT INTO monarq.jobs (job_id, ended_at, state, queue, kind, priority, run_ms, wait_ms)
        SELECT n::text, now() - n * interval '9 s', 'succeeded', 'q', 'k', 'normal', n, n
        FROM generate_series(1, 25000) AS n
    """)
    await sql.execute("ANALYZE monarq.jobs")
    spans = [rolling._floor(now(), 5) - n * 5 * MINUTE for n in range(1, 15)]
    for name, arguments in (("roll_up", (5, spans)), ("rollup_progress", ())):
        told = await sql.fetch(f"EXPLAIN ANALYZE {statement(name)}", *arguments)
        scans = [line[0] for line in told if " on jobs_" in line[0] and "never executed" not in line[0]]
        assert scans
        days = {f"{moment:%Y%m%d}" for moment in (*spans, now())}
        for scan in scans:  # tomorrow is empty yet: how it is read is all the same
            assert f"{now() + DAY:%Y%m%d}" in scan or "Index" in scan
            assert name != "roll_up" or any(day in scan for day in days)


async def test_a_look_at_one_queue_reads_its_window_by_the_key(
    database: Database, sql: asyncpg.Connection
) -> None:
    await sql.execute("""
        INSERT INTO monarq.rollups
        SELECT 60, now() - h * interval '1 hour', 'q' || p, 'k', 1, 1, 1, 1, 1, 1, 1, 1, 1,
            array_fill(1, ARRAY[19]), array_fill(1, ARRAY[19])
        FROM generate_series(1, 5000) AS h, generate_series(1, 4) AS p
    """)
    await sql.execute("ANALYZE monarq.rollups")
    wanted = RollupFilter(minutes=60, since=now() - DAY, until=now(), queue="q1")
    query = by_time(wanted, HOUR)
    told = await sql.fetch(f"EXPLAIN {query.sql}", *query.parameters)
    assert "rollups_pkey" in "\n".join(line[0] for line in told)
    found = await RollupReader(database).by_time(wanted, HOUR)
    assert {tally.ended for tally in found.values()} == {4}
    assert len(found) in (23, 24)
