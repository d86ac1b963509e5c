"""Workers roll the history up while they work."""

import asyncpg
import pytest

from monarq.jobs import JobContext, job
from monarq.producer import Producer
from monarq.worker.maintenance import rollups

from .conftest import Serve
from .deadlines import eventually


@job("count")
async def count(ctx: JobContext) -> None: ...


async def rolled_up(connection: asyncpg.Connection) -> int:
    told = "SELECT coalesce(sum(succeeded), 0) FROM monarq.rollups WHERE minutes = 5 AND kind = 'count'"
    return int(await connection.fetchval(told))


async def test_what_a_fleet_has_ended_is_rolled_up_once(
    serve: Serve, producer: Producer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "_EVERY", 0.05)
    connection = await asyncpg.connect(database_url)
    with_database = {"database_url": database_url}
    async with serve(count, settings=with_database), serve(count, settings=with_database):
        await producer.enqueue_many([count.of() for _ in range(30)])
        await eventually(lambda: _is(connection, 30))
        await producer.enqueue(count.of())
        await eventually(lambda: _is(connection, 31))
    await connection.close()


async def _is(connection: asyncpg.Connection, wanted: int) -> bool:
    return await rolled_up(connection) == wanted


async def test_without_a_history_nobody_rolls_up(
    serve: Serve, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "_EVERY", 0.05)
    async with serve(count, settings={"database_url": database_url, "history": False}) as worker:
        assert worker.persistence is not None
        assert not any(isinstance(duty, rollups.Rollups) for duty in worker.persistence.duties)
