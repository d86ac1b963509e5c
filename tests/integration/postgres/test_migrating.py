"""Bringing a database up to date."""

import asyncio

import asyncpg
import pytest

from monarq.jobs.errors import DatabaseUnavailable, NotMigrated
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.migrating import migrate, missing_steps
from tests.postgres import PostgresServer
from tests.servers import free_port

pytestmark = pytest.mark.every_postgres


@pytest.fixture
def empty(postgres: PostgresServer) -> Settings:
    return Settings(database_url=postgres.new_database(migrated=False))


def test_an_empty_database_gets_every_step_once(empty: Settings) -> None:
    missing = asyncio.run(missing_steps(empty))
    assert missing[0] == "0001_outbox"
    assert asyncio.run(migrate(empty)) == missing
    assert asyncio.run(missing_steps(empty)) == []
    assert asyncio.run(migrate(empty)) == []


async def test_two_that_migrate_at_once_take_turns(empty: Settings) -> None:
    done = await asyncio.gather(migrate(empty), migrate(empty))
    assert sorted(map(len, done))[0] == 0
    assert await missing_steps(empty) == []


async def test_a_database_without_our_tables_says_what_to_run(empty: Settings) -> None:
    database = open_database(empty)
    with pytest.raises(NotMigrated, match="monarq migrate"):
        async with database.connection() as connection:
            await connection.fetch("SELECT * FROM monarq.outbox")
    await database.close()


async def test_a_step_that_fails_undoes_all_of_them(empty: Settings) -> None:
    assert empty.database_url is not None
    connection = await asyncpg.connect(empty.database_url.get_secret_value())
    await connection.execute("CREATE SCHEMA monarq")
    await connection.execute("CREATE TABLE monarq.audit (wrong int)")
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty)
    assert await connection.fetchval("SELECT to_regclass('monarq.outbox')") is None
    await connection.close()


async def test_a_server_that_is_away_is_told_as_such() -> None:
    away = Settings(database_url=f"postgresql://postgres@127.0.0.1:{free_port()}/postgres")
    with pytest.raises(DatabaseUnavailable):
        await migrate(away)
