"""Behind PgBouncer in transaction mode, where one is installed: no session is ours, and nobody can listen."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from monarq import Producer, Settings
from monarq.jobs.store.postgres import open_database
from monarq.producer.relay import Relay
from tests.integration.worker.deadlines import eventually
from tests.pgbouncer import find_pgbouncer, pgbouncer

from .conftest import MakeRelay
from .kinds import bill, confirm
from .stage import Stage, carry_all, running

SERVER_CONNECTIONS = 2


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    """The address of the test's database behind PgBouncer."""
    with pgbouncer(database_url, pool_size=SERVER_CONNECTIONS) as url:
        yield url


@pytest.fixture
def pooled(redis_url: str, pooled_url: str) -> Settings:
    return Settings(
        redis_url=redis_url,
        database_url=pooled_url,
        database_prepared_statements=False,
        database_pool_size=30,
    )


if find_pgbouncer() is not None:

    async def test_units_and_single_statements_of_many_share_few_connections(pooled: Settings) -> None:
        """A statement prepared on one connection and executed on another would fail, or be another."""
        database = open_database(pooled)

        async def ask(number: int) -> None:
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT $1::int + 1", number) == number + 1
                assert await connection.fetchval("SELECT $1::text", f"text {number}") == f"text {number}"
            answer = await database.transact(lambda unit: unit.connection.fetchval("SELECT $1::int", number))
            assert answer == number

        for _ in range(10):
            await asyncio.gather(*map(ask, range(40)))
        await database.close()

    async def test_an_app_behind_it_enqueues_in_its_own_transaction(
        pooled: Settings, pooled_url: str, make_relay: MakeRelay, stage: Stage
    ) -> None:
        connection = await asyncpg.connect(pooled_url, statement_cache_size=0)
        async with Producer.connect(settings=pooled) as producer:
            async with connection.transaction():
                kept = await producer.enqueue(confirm.of(1), connection=connection)
            transaction = connection.transaction()
            await transaction.start()
            await producer.enqueue(confirm.of(2), connection=connection)
            await transaction.rollback()
            durable = await producer.enqueue(bill.of(3))
        await connection.close()
        relay = make_relay(**pooled.model_dump(exclude_unset=True))
        assert await carry_all(relay) == 2
        assert await stage.in_redis() == [kept.job_id, durable.job_id]

    async def test_a_relay_behind_it_looks_instead_of_listening(
        pooled: Settings, app: asyncpg.Connection, producer: Producer, make_relay: MakeRelay, stage: Stage
    ) -> None:
        relays: list[Relay] = [make_relay(**pooled.model_dump(exclude_unset=True)) for _ in range(2)]
        async with running(*relays):
            for number in range(5):
                handle = await producer.enqueue(confirm.of(number), connection=app)
                await eventually(lambda: stage.has(handle.job_id))  # noqa: B023 - awaited at once
        here = "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        assert not await stage.fetch(f"{here} AND query LIKE 'LISTEN%'")

    async def test_past_it_a_relay_can_listen(
        pooled: Settings,
        database_url: str,
        app: asyncpg.Connection,
        producer: Producer,
        make_relay: MakeRelay,
        stage: Stage,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("monarq.producer.relay._LOOK_SECONDS", 3_600.0)
        relay = make_relay(**pooled.model_dump(exclude_unset=True), database_direct_url=database_url)
        async with running(relay):
            for number in range(3):
                handle = await producer.enqueue(confirm.of(number), connection=app)
                await eventually(lambda: stage.has(handle.job_id))  # noqa: B023 - awaited at once
