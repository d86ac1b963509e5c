"""One transaction per use case: undone unless committed, begun again after a conflict."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from monarq import Settings, StoreUnavailable
from monarq.jobs.errors import DatabaseRefused, DatabaseUnavailable
from monarq.jobs.store.postgres import database as databases
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.unit_of_work import UnitOfWork
from tests.postgres_proxy import PostgresProxy

pytestmark = pytest.mark.every_postgres


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """An app's own connection; another one to look at the same rows is `other`."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE notes (id int PRIMARY KEY, text text NOT NULL DEFAULT '')")
    yield connection
    await connection.close()


@pytest.fixture
async def database(database_url: str, app: asyncpg.Connection) -> AsyncIterator[Database]:
    opened = open_database(Settings(database_url=database_url))
    yield opened
    await opened.close()


async def add(unit: UnitOfWork, number: int) -> int:
    await unit.connection.execute("INSERT INTO notes VALUES ($1)", number)
    return number


async def notes(app: asyncpg.Connection) -> list[int]:
    return [row[0] for row in await app.fetch("SELECT id FROM notes ORDER BY id")]


async def test_what_is_committed_stays(database: Database, app: asyncpg.Connection) -> None:
    assert await database.transact(lambda unit: add(unit, 1)) == 1
    assert await notes(app) == [1]


async def test_what_is_not_committed_is_undone(database: Database, app: asyncpg.Connection) -> None:
    async with database.unit() as unit:
        await add(unit, 1)
    assert await notes(app) == []


async def test_an_error_undoes_all_of_it_and_passes(database: Database, app: asyncpg.Connection) -> None:
    async def work(unit: UnitOfWork) -> None:
        await add(unit, 1)
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        await database.transact(work)
    assert await notes(app) == []


async def test_an_error_of_the_server_is_told_in_our_words(
    database: Database, app: asyncpg.Connection
) -> None:
    await database.transact(lambda unit: add(unit, 1))
    with pytest.raises(DatabaseRefused, match="duplicate key"):
        await database.transact(lambda unit: add(unit, 1))
    assert await database.transact(lambda unit: add(unit, 2)) == 2


async def test_a_unit_that_is_cancelled_is_undone_and_its_connection_is_fit_for_the_next(
    database: Database, app: asyncpg.Connection
) -> None:
    async def work(unit: UnitOfWork) -> None:
        await add(unit, 1)
        await unit.connection.execute("SELECT pg_sleep(30)")

    for _ in range(15):
        attempt = asyncio.create_task(database.transact(work))
        await asyncio.wait([attempt], timeout=0.03)
        attempt.cancel()
        await asyncio.wait([attempt])
    assert await database.transact(lambda unit: add(unit, 2)) == 2
    assert await notes(app) == [2]


# --- on a connection of the app's


async def test_in_an_app_s_own_transaction_a_unit_is_a_savepoint(app: asyncpg.Connection) -> None:
    async with app.transaction():
        async with UnitOfWork(app) as kept:
            await add(kept, 1)
            await kept.commit()
        async with UnitOfWork(app) as undone:
            await add(undone, 2)
        await app.execute("INSERT INTO notes VALUES (3)")
    assert await notes(app) == [1, 3]


async def test_the_app_s_own_rollback_decides(app: asyncpg.Connection) -> None:
    transaction = app.transaction()
    await transaction.start()
    async with UnitOfWork(app) as unit:
        await add(unit, 1)
        await unit.commit()
    await transaction.rollback()
    assert await notes(app) == []


async def test_an_error_in_a_unit_leaves_the_app_s_transaction_usable(app: asyncpg.Connection) -> None:
    async with app.transaction():
        await app.execute("INSERT INTO notes VALUES (1)")
        with pytest.raises(asyncpg.UniqueViolationError):
            async with UnitOfWork(app) as unit:
                await add(unit, 1)
        await app.execute("INSERT INTO notes VALUES (2)")
    assert await notes(app) == [1, 2]


# --- conflicts


async def test_after_a_deadlock_the_unit_is_begun_again(database: Database, app: asyncpg.Connection) -> None:
    await app.execute("INSERT INTO notes VALUES (1), (2)")
    met, tries = asyncio.Barrier(2), [0, 0]

    async def crosswise(who: int, first: int, second: int) -> None:
        async def work(unit: UnitOfWork) -> None:
            tries[who] += 1
            await unit.connection.execute("UPDATE notes SET text = text || $2 WHERE id = $1", first, str(who))
            if tries[who] == 1:
                await met.wait()
            await unit.connection.execute(
                "UPDATE notes SET text = text || $2 WHERE id = $1", second, str(who)
            )

        await database.transact(work)

    await asyncio.gather(crosswise(0, 1, 2), crosswise(1, 2, 1))
    assert sorted(tries) == [1, 2]
    assert {"".join(sorted(row[0])) for row in await app.fetch("SELECT text FROM notes")} == {"01"}


async def test_after_a_serialization_failure_the_unit_is_begun_again(
    database: Database, app: asyncpg.Connection
) -> None:
    await app.execute("INSERT INTO notes VALUES (1)")
    tries = 0

    async def work(unit: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await unit.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        await unit.connection.fetch("SELECT * FROM notes")
        if tries == 1:
            await app.execute("UPDATE notes SET text = 'theirs'")
        await unit.connection.execute("UPDATE notes SET text = text || ' and ours'")

    await database.transact(work)
    assert tries == 2
    assert await app.fetchval("SELECT text FROM notes") == "theirs and ours"


async def test_conflicts_without_end_are_given_up(
    database: Database, app: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_FIRST_PAUSE", 0.001)
    tries = 0

    async def work(unit: UnitOfWork) -> None:
        nonlocal tries
        tries += 1
        await unit.connection.execute("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$")

    with pytest.raises(DatabaseUnavailable, match="5 times"):
        await database.transact(work)
    assert tries == 5


# --- connections that break


@pytest.mark.parametrize("cut", ["cut_before", "cut_after"])
async def test_a_commit_without_a_reply_is_told_as_something_that_may_have_happened(
    database_url: str, app: asyncpg.Connection, cut: str
) -> None:
    async with PostgresProxy(database_url) as proxy:
        database = open_database(Settings(database_url=proxy.url))
        getattr(proxy, cut)("COMMIT")
        with pytest.raises(StoreUnavailable):
            await database.transact(lambda unit: add(unit, 1))
        assert proxy.struck == 1
        assert await database.transact(lambda unit: add(unit, 2)) == 2  # over another connection
        await database.close()
    assert await notes(app) == ([1, 2] if cut == "cut_after" else [2])


async def test_a_backend_that_is_killed_in_a_unit_undoes_it_and_is_told_as_away(
    database: Database, app: asyncpg.Connection
) -> None:
    async def work(unit: UnitOfWork) -> Any:
        await add(unit, 1)
        pid = await unit.connection.fetchval("SELECT pg_backend_pid()")
        await app.execute("SELECT pg_terminate_backend($1)", pid)
        return await unit.connection.fetch("SELECT * FROM notes")

    with pytest.raises(DatabaseUnavailable) as caught:
        await database.transact(work)
    assert "is_closed" not in str(caught.value)
    assert await notes(app) == []
    assert await database.transact(lambda unit: add(unit, 2)) == 2


async def test_a_statement_that_takes_too_long_is_ended(database_url: str, app: asyncpg.Connection) -> None:
    database = open_database(Settings(database_url=database_url, database_statement_timeout=0.1))
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        await database.transact(lambda unit: unit.connection.execute("SELECT pg_sleep(30)"))
    await database.close()


async def test_who_finds_no_free_connection_in_time_is_told(
    database_url: str, app: asyncpg.Connection
) -> None:
    settings = Settings(database_url=database_url, database_pool_size=2, database_acquire_timeout=1)
    database = open_database(settings)
    async with database.connection(), database.connection():
        with pytest.raises(DatabaseUnavailable):
            await database.transact(lambda unit: add(unit, 1))
    assert await database.transact(lambda unit: add(unit, 1)) == 1
    await database.close()
