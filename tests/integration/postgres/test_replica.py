"""What is only read is read by the replica, and by the primary when the replica is of no use."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from monarq.jobs.settings import Settings
from monarq.jobs.store.job_filter import JobFilter
from monarq.jobs.store.postgres import database as door
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.history_reader import HistoryReader
from monarq.jobs.store.postgres.unit_of_work import Connection
from tests.integration.worker.deadlines import eventually
from tests.postgres import PostgresServer, postgres_server
from tests.replica import PostgresReplica, replica_of

ADD = "INSERT INTO monarq.audit (actor, action, subject) VALUES ('ann', 'look', 'here')"


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def url(primary: PostgresServer) -> str:
    return primary.new_database()


@pytest.fixture
def replica(primary: PostgresServer, url: str) -> Iterator[PostgresReplica]:
    with replica_of(primary) as replica:
        yield replica


@pytest.fixture
async def database(
    url: str, replica: PostgresReplica, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    monkeypatch.setattr(door, "LARGEST_LAG_SECONDS", 0.2)
    monkeypatch.setattr(door, "_REST_SECONDS", 0.05)
    opened = open_database(Settings(database_url=url, database_replica_url=replica.url_of(url)))
    yield opened
    await opened.close()


async def is_replica(connection: Connection) -> bool:
    return bool(await connection.fetchval("SELECT pg_is_in_recovery()"))


async def count(connection: Connection) -> int:
    return int(await connection.fetchval("SELECT count(*) FROM monarq.audit"))


async def test_reads_go_to_the_replica_and_writes_to_the_primary(database: Database) -> None:
    await eventually(lambda: database.read(is_replica))
    async with database.connection() as connection:
        assert not await is_replica(connection)
        await connection.execute(ADD)
        written = await count(connection)
    assert not await database.transact(lambda unit: is_replica(unit.connection))

    async def has_arrived() -> bool:
        return await database.read(count) == written

    await eventually(has_arrived)
    await eventually(lambda: database.read(is_replica))


async def test_a_replica_that_lags_is_not_read_until_it_has_caught_up(
    database: Database, replica: PostgresReplica
) -> None:
    await asyncio.to_thread(replica.execute, "SELECT pg_wal_replay_pause()")
    async with database.connection() as connection:
        await connection.execute(ADD)
        written = await count(connection)

    async def sees_what_was_written() -> bool:
        return await database.read(count) == written and not await database.read(is_replica)

    await eventually(sees_what_was_written)
    await asyncio.to_thread(replica.execute, "SELECT pg_wal_replay_resume()")
    await eventually(lambda: database.read(is_replica))
    assert await database.read(count) == written


async def test_a_replica_that_has_lost_its_primary_is_not_read(
    database: Database, replica: PostgresReplica
) -> None:
    for statement in ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"):
        await asyncio.to_thread(replica.execute, statement)
    async with database.connection() as connection:
        await connection.execute(ADD)

    async def is_primary() -> bool:
        return not await database.read(is_replica)

    await eventually(is_primary)


async def test_a_dead_replica_is_done_without(database: Database, replica: PostgresReplica) -> None:
    await eventually(lambda: database.read(is_replica))
    replica.kill()
    assert not await database.read(is_replica)


async def test_a_replica_that_dies_while_it_is_read_is_read_no_further(
    database: Database, replica: PostgresReplica
) -> None:
    async def read(connection: Connection) -> bool:
        if on_replica := await is_replica(connection):
            await asyncio.to_thread(replica.kill)
        return on_replica and await is_replica(connection)

    assert not await database.read(read)


async def test_a_frozen_replica_holds_reads_up_for_seconds_only(
    database: Database, replica: PostgresReplica
) -> None:
    await eventually(lambda: database.read(is_replica))
    replica.freeze()
    began = time.monotonic()
    assert not await database.read(is_replica)
    assert time.monotonic() - began < 25  # of a statement's own time it would be 35
    replica.thaw()


async def test_while_a_replica_rests_nobody_waits_for_it(
    database: Database, replica: PostgresReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_REST_SECONDS", 60)
    replica.kill()
    assert not await database.read(is_replica)
    monkeypatch.setattr(database._replica, "lend", None)  # would fail if it were asked
    assert not await database.read(is_replica)


async def test_searches_of_the_history_are_made_by_the_replica(
    database: Database, replica: PostgresReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(job_id: str) -> None:
        async with database.connection() as connection:
            await connection.execute("SELECT monarq.make_history_days('2026-03-31', 1)")
            await connection.execute(
                "INSERT INTO monarq.jobs (job_id, ended_at, state, queue, kind, priority) "
                "VALUES ($1, '2026-03-31 12:00+00', 'dead', 'default', 'add', 'normal')",
                job_id,
            )

    async def found() -> list[str]:
        return [job.job_id for job in (await history.page(JobFilter())).jobs]

    async def the_first_has_arrived() -> bool:
        return await found() == ["first"] and await database.read(is_replica)

    history = HistoryReader(database)
    monkeypatch.setattr(door, "LARGEST_LAG_SECONDS", 60)
    await write("first")
    await eventually(the_first_has_arrived)
    await asyncio.to_thread(replica.execute, "SELECT pg_wal_replay_pause()")
    await write("second")
    assert await found() == ["first"]
    assert (await history.count(JobFilter())).number == 1
    assert await history.stories("second") == []
    await asyncio.to_thread(replica.kill)
    assert sorted(await found()) == ["first", "second"]
