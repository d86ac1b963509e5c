"""Which cron jobs there are is written down in PostgreSQL; cron itself does not wait for it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from arq.cron import cron
from structlog.testing import capture_logs

from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.schedule import Schedule, SeenSchedule
from monarq.worker.maintenance import schedules
from monarq.worker.maintenance.forgetting import Forgetting
from tests.postgres import PostgresServer, postgres_server

from .conftest import Serve
from .deadlines import eventually

EVERY_SECOND = set(range(60))
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def tick(ctx: dict[Any, Any]) -> None: ...


def a_schedule(name: str = "tick", **facts: Any) -> Schedule:
    told: dict[str, Any] = {
        "queue": "default",
        "kind": "tick",
        "times": "every hour",
        "timezone": "UTC",
        "is_unique": True,
        "next_due_at": NOON + HOUR,
        "last_due_at": None,
        "last_job_id": None,
    }
    return Schedule(name=name, **told | facts)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = open_database(Settings(database_url=database_url))
    yield opened
    await opened.close()


async def put(database: Database, *told: Schedule, worker: str = "w") -> None:
    await database.transact(lambda unit: unit.schedules.put(told, worker))


async def known(database: Database) -> list[SeenSchedule]:
    return [*await database.transact(lambda unit: unit.schedules.list())]


async def test_a_worker_tells_its_cron_jobs_when_it_starts(
    serve: Serve, database: Database, database_url: str
) -> None:
    jobs = [
        cron(tick, name="tick", month=2, day=29, hour=3, minute=0),
        cron(tick, name="tick", month=3, day=1, hour=3, minute=0, unique=False),
        cron(tick, name="tock\0", month=2, day=29, hour=3, minute=0),
    ]
    zone = ZoneInfo("Europe/Berlin")
    async with serve(cron_jobs=jobs, timezone=zone, settings={"database_url": database_url}) as worker:
        told = await eventually(lambda: known(database))
    assert [one.name for one in told] == ["tick", "tick (2)", "tock\\x00"]
    first = told[0]
    assert (first.kind, first.queue, first.times) == ("tick", "default", "February; day 29; 03:00")
    assert (first.timezone, first.worker) == ("Europe/Berlin", worker.worker_id)
    assert first.next_due_at == jobs[0].next_run
    assert (first.last_due_at, first.last_job_id) == (None, None)
    assert [one.is_unique for one in told] == [True, False, True]
    assert [one.kind for one in told] == ["tick", "tick", "tock\\x00"]


async def test_each_firing_is_told(serve: Serve, database: Database, database_url: str) -> None:
    ran: list[str] = []

    async def note(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["job_id"])

    async def told_after(job_id: str) -> SeenSchedule | None:
        return next((one for one in await known(database) if (one.last_job_id or "") > job_id), None)

    async def in_time(job_id: str) -> SeenSchedule | None:
        """One that came within its second: after a pause of the machine, instants are left out."""
        told = await told_after(job_id)
        on_time = told is not None and told.next_due_at - told.last_due_at == timedelta(seconds=1)
        return told if on_time else None

    jobs = [cron(note, name="note", second=EVERY_SECOND)]
    async with serve(cron_jobs=jobs, settings={"database_url": database_url}):
        first = await eventually(lambda: told_after(""))
        await eventually(lambda: first.last_job_id in ran)
        one = await eventually(lambda: in_time(first.last_job_id))
    assert one.last_job_id == f"note:{round(one.last_due_at.timestamp() * 1000)}"


async def test_cron_goes_on_without_postgresql_which_is_told_when_it_is_back(
    serve: Serve,
) -> None:
    ran: list[str] = []

    async def note(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["job_id"])

    with postgres_server() as server:
        url = await asyncio.to_thread(server.new_database)
        server.kill()
        jobs = [cron(note, name="note", second=EVERY_SECOND)]
        with capture_logs() as logs:
            async with serve(cron_jobs=jobs, settings={"database_url": url}):
                await eventually(lambda: len(ran) >= 2)
                await eventually(lambda: "schedules" in [line.get("service") for line in logs])
                await asyncio.to_thread(server.start)
                database = open_database(Settings(database_url=url))
                [one] = await eventually(lambda: known(database))
                await database.close()
    assert one.last_job_id is not None
    assert one.last_job_id >= ran[1]  # the next one is enqueued before its time
    assert "worker.duty_failed" not in [line["event"] for line in logs]


async def test_cron_goes_on_where_there_is_no_such_table(serve: Serve, postgres: PostgresServer) -> None:
    ran: list[str] = []

    async def note(ctx: dict[Any, Any]) -> None:
        ran.append(ctx["job_id"])

    jobs = [cron(note, name="note", second=EVERY_SECOND)]
    url = await asyncio.to_thread(postgres.new_database, migrated=False)
    with capture_logs() as logs:
        async with serve(cron_jobs=jobs, settings={"database_url": url}):
            await eventually(lambda: len(ran) >= 2)
    assert "schedules" in [line.get("service") for line in logs]
    await asyncio.to_thread(postgres.drop_database, url)


async def test_what_is_due_seldom_is_told_again_and_again(
    serve: Serve,
    database: Database,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(schedules, "_EVERY_SECONDS", 0.05)
    jobs = [cron(tick, name="tick", month=2, day=29, hour=3, minute=0)]
    async with serve(cron_jobs=jobs, settings={"database_url": database_url}):
        [first] = await eventually(lambda: known(database))

        async def is_seen_again() -> bool:
            [now] = await known(database)
            return now.seen_at > first.seen_at

        await eventually(is_seen_again)


async def test_who_does_not_know_the_last_firing_leaves_it(database: Database) -> None:
    await put(database, a_schedule(last_due_at=NOON, last_job_id="noon"), worker="a")
    await put(database, a_schedule(times="every day"), worker="b")
    [one] = await known(database)
    assert (one.last_due_at, one.last_job_id) == (NOON, "noon")
    assert (one.times, one.worker) == ("every day", "b")


async def test_a_firing_of_the_past_does_not_replace_a_later_one(database: Database) -> None:
    await put(database, a_schedule(last_due_at=NOON, last_job_id="noon"))
    await put(database, a_schedule(last_due_at=NOON - HOUR, last_job_id="eleven"))
    [one] = await known(database)
    assert (one.last_due_at, one.last_job_id) == (NOON, "noon")


async def test_one_name_in_two_queues_is_two_schedules(database: Database) -> None:
    await put(database, a_schedule(queue="mail"))
    await put(database, a_schedule(queue="default"))
    assert [(one.queue, one.name) for one in await known(database)] == [
        ("default", "tick"),
        ("mail", "tick"),
    ]


async def test_workers_that_tell_at_once_do_not_block_each_other(database: Database) -> None:
    told = [a_schedule(str(number)) for number in range(5_000)]

    async def tell(schedules: list[Schedule]) -> None:
        async with database.unit() as unit:  # which does not begin again after a deadlock
            await unit.schedules.put(schedules, "w")
            await unit.commit()

    await asyncio.gather(tell(told), tell(told[::-1]))
    await asyncio.gather(tell(told), tell(told[::-1]))
    assert len(await known(database)) == 5_000


async def test_what_no_worker_has_had_for_a_week_is_forgotten(database: Database, database_url: str) -> None:
    await put(database, a_schedule("seen"), a_schedule("old"))
    connection = await asyncpg.connect(database_url)
    ages = {"seen": timedelta(days=6, hours=23), "old": timedelta(days=7, hours=1)}
    for name, age in ages.items():
        await connection.execute(
            "UPDATE monarq.schedules SET seen_at = seen_at - $2::interval WHERE name = $1", name, age
        )
    await connection.close()
    keeper = Forgetting(database, keep=timedelta(days=1), dead_keep=timedelta(0))
    assert await keeper.forget_schedules() == 1
    assert [one.name for one in await known(database)] == ["seen"]
