"""What `monarq doctor` finds of a PostgreSQL."""

import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from monarq.jobs.errors import DatabaseRefused, DatabaseUnavailable
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres.posture import examine_database
from monarq.jobs.store.posture import Finding, Level
from tests.pgbouncer import find_pgbouncer, pgbouncer
from tests.postgres import PostgresServer, postgres_server

NOWHERE = "postgresql://postgres@127.0.0.1:1/postgres"


async def _examine(url: str, *, redis_ahead: float = 0.0, **settings: Any) -> dict[str, Finding]:
    findings = await examine_database(Settings(database_url=url, **settings), redis_ahead=redis_ahead)
    return {finding.check.removeprefix("database "): finding for finding in findings}


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_one_that_is_fit_is_told_so(database_url: str) -> None:
    found = await _examine(database_url)
    told = {check for check, finding in found.items() if finding.level is Level.OK}
    assert told == {"version", "role", "connections", "encryption", "clock", "tables"}
    # the server of the tests does not sync
    assert found["durability"].level is Level.WARNING
    assert "PostgreSQL 18" in found["version"].found


@pytest.fixture
def empty_database_url(postgres: PostgresServer) -> str:
    return postgres.new_database(migrated=False)


async def test_missing_tables_are_refused_with_their_mend(empty_database_url: str) -> None:
    found = await _examine(empty_database_url)
    assert found["tables"].level is Level.REFUSED
    assert "0001" in found["tables"].found
    assert found["tables"].mend == "monarq migrate"


async def test_tables_of_a_later_release_are_a_warning(database_url: str) -> None:
    await _run(database_url, "UPDATE monarq.migrations SET version_num = '9999_later'")
    found = await _examine(database_url)
    assert found["tables"].level is Level.WARNING
    assert "later release than this one (step 9999_later)" in found["tables"].found


async def test_what_only_reads_is_refused(database_url: str) -> None:
    name = database_url.rpartition("/")[2]
    await _run(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert (await _examine(database_url))["role"].level is Level.REFUSED


async def test_an_encoding_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    await _run(postgres.url, "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert (await _examine(postgres.url_of("latin")))["encoding"].level is Level.REFUSED


async def test_commits_that_do_not_wait_for_the_disk_are_a_warning() -> None:
    with postgres_server({"fsync": "on", "full_page_writes": "on"}) as server:
        assert (await _examine(server.url))["durability"].level is Level.OK
        await _run(server.url, "ALTER DATABASE postgres SET synchronous_commit = off")
        assert "synchronous_commit" in (await _examine(server.url))["durability"].found


async def test_too_little_room_for_a_pool_is_a_warning(database_url: str) -> None:
    found = await _examine(database_url, database_pool_size=1000)
    assert found["connections"].level is Level.WARNING
    assert "opens up to 1000" in found["connections"].found


async def test_tables_that_may_not_be_written_are_named(database_url: str) -> None:
    role = "reader_" + database_url.rpartition("_")[2]
    await _run(
        database_url,
        f"CREATE ROLE {role} LOGIN",
        f"GRANT USAGE ON SCHEMA monarq TO {role}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA monarq TO {role}",
        f"GRANT INSERT, UPDATE, DELETE ON monarq.audit TO {role}",
    )
    found = await _examine(database_url.replace("postgres@", f"{role}@"))
    assert found["tables"].level is Level.WARNING
    assert "outbox" in found["tables"].found
    assert "audit" not in found["tables"].found


async def test_clocks_are_compared_with_each_other_and_not_with_ours(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await _examine(database_url, redis_ahead=60.0))["clock"].found == "-60 s from the clock of Redis"
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 60)
    assert (await _examine(database_url, redis_ahead=60.0))["clock"].level is Level.OK


async def test_an_old_transaction_is_a_warning(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monarq.jobs.store.postgres.posture._LONG_TRANSACTION_SECONDS", 0.0)
    connection = await asyncpg.connect(database_url)
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    await connection.execute("SELECT 1")
    assert (await _examine(database_url))["transactions"].level is Level.WARNING
    await connection.close()


async def test_a_replica_and_a_direct_way_are_looked_at_too(database_url: str) -> None:
    ways = {"database_replica_url": database_url, "database_direct_url": database_url}
    found = await _examine(database_url, **ways)
    assert (found["replica"].level, found["direct way"].level) == (Level.OK, Level.OK)
    found = await _examine(database_url, **dict.fromkeys(ways, NOWHERE))
    assert (found["replica"].level, found["direct way"].level) == (Level.WARNING, Level.WARNING)


async def test_one_that_does_not_answer_is_told_in_our_words(database_url: str) -> None:
    with pytest.raises(DatabaseUnavailable):
        await _examine(NOWHERE)
    with pytest.raises(DatabaseRefused, match="does not exist"):
        await _examine(database_url + "_not")


if find_pgbouncer() is not None:

    @pytest.fixture
    def pooled_url(database_url: str) -> Iterator[str]:
        with pgbouncer(database_url, pool_size=2) as url:
            yield url

    async def test_a_pooler_is_seen_and_a_warning_until_the_settings_know_of_it(
        pooled_url: str, database_url: str
    ) -> None:
        found = (await _examine(pooled_url))["pooler"]
        assert found.level is Level.WARNING
        assert "MONARQ_DATABASE_DIRECT_URL" in found.mend
        assert "MONARQ_DATABASE_PREPARED_STATEMENTS=false" in found.mend
        known = {"database_direct_url": database_url, "database_prepared_statements": False}
        assert (await _examine(pooled_url, **known))["pooler"].level is Level.OK
