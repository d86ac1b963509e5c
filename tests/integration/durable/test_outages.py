"""PostgreSQL is away for a while: the queue goes on, and no end is lost."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.kept_ends import drain
from monarq.producer import Producer
from monarq.worker import reach
from tests.integration.worker.deadlines import eventually
from tests.postgres import PostgresServer, postgres_server

from .once_kinds import pay
from .stage import QUEUE, Books, Put, serving

MANY = 30


@job("square", durable=True)
async def square(ctx: JobContext, number: int) -> int:
    return number * number


@job("plain")
async def plain(ctx: JobContext) -> str:
    return "done"


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """One that these tests kill."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def database_url(own_server: PostgresServer) -> Iterator[str]:
    yield own_server.new_database()
    own_server.restart()


@asynccontextmanager
async def frozen(server: PostgresServer) -> AsyncIterator[None]:
    """A server that takes connections, and never answers."""
    process = server._server._process
    assert process is not None
    backends = [process.pid, *await _backends(server)]
    for pid in backends:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(backends):
            os.kill(pid, signal.SIGCONT)


async def _backends(server: PostgresServer) -> list[int]:
    connection = await asyncpg.connect(server.url)
    try:
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        own = connection.get_server_pid()
        return [row["pid"] for row in await connection.fetch(sql) if row["pid"] != own]
    finally:
        await connection.close()


async def states(books: Books) -> list[str | None]:
    return [row["state"] for row in await books.fetch("SELECT state FROM monarq.durable_jobs")]


async def test_jobs_run_and_their_ends_are_told_later(
    settings: Settings, own_server: PostgresServer, put: Put, books: Books, client: Redis
) -> None:
    handles = await put(*(square.of(number) for number in range(MANY)))
    own_server.kill()
    async with serving(settings, square, plain):
        results = await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
        assert results == [number * number for number in range(MANY)]
        assert await client.llen(QUEUE.ends) == MANY
        own_server.restart()
        await eventually(lambda: _is_gone(client), within=60)
        rows = await books.fetch("SELECT state, fence, result, ended_at FROM monarq.durable_jobs")
    assert [(row["state"], row["fence"]) for row in rows] == [("succeeded", 1)] * MANY
    assert sorted(json.loads(row["result"])["r"] for row in rows) == sorted(results)
    assert all(row["ended_at"] is not None for row in rows)


async def _is_gone(client: Redis) -> bool:
    return not await client.exists(QUEUE.ends)


async def test_a_server_that_is_killed_again_and_again_loses_no_end(
    settings: Settings, own_server: PostgresServer, put: Put, books: Books, client: Redis
) -> None:
    handles = await put(*(square.of(number) for number in range(5 * MANY)))
    async with serving(settings, square, max_jobs=5):
        for _ in range(3):
            done = await client.hget(QUEUE.stats, "succeeded")
            own_server.restart()
            await eventually(lambda done=done: _has_grown(client, done), within=60)  # type: ignore[misc]
        await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
        await eventually(lambda: _is_gone(client), within=60)
        await eventually(lambda: _have_all_succeeded(books), within=60)


async def _has_grown(client: Redis, done: bytes | None) -> bool:
    now = int(await client.hget(QUEUE.stats, "succeeded") or 0)
    return now > int(done or 0) or now == 5 * MANY


async def _have_all_succeeded(books: Books) -> bool:
    return set(await states(books)) == {"succeeded"}


async def test_a_server_that_does_not_answer_keeps_nobody_waiting_for_long(
    settings: Settings,
    own_server: PostgresServer,
    producer: Producer,
    books: Books,
    client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "_PATIENCE", 3.0)
    began, gate = asyncio.Event(), asyncio.Event()

    @job("gated", durable=True)
    async def gated(ctx: JobContext) -> int:
        began.set()
        await gate.wait()
        return ctx.fence

    async with serving(settings, gated, plain) as worker:
        handle = await producer.enqueue(gated.of())
        await asyncio.wait_for(began.wait(), 20)
        async with frozen(own_server):
            gate.set()
            other = await producer.enqueue(plain.of())
            assert await other.result(timeout=20) == "done"
            assert await handle.status() is State.RUNNING  # so the other one has not waited for it
            assert await handle.result(timeout=20) == 1
            assert await client.llen(QUEUE.ends) == 1
        await eventually(lambda: _is_gone(client), within=60)
        assert await books.state(handle.job_id) == "succeeded"
        assert worker.journal.refused == 0


async def test_a_worker_stops_in_time_while_the_server_does_not_answer(
    settings: Settings, own_server: PostgresServer, put: Put, client: Redis
) -> None:
    [handle] = await put(square.of(3))
    async with frozen(own_server):
        async with serving(settings, square):
            assert await handle.result(timeout=20) == 9
        assert await client.llen(QUEUE.ends) == 1


async def test_past_the_bound_durable_jobs_wait_and_others_do_not(
    settings: Settings,
    own_server: PostgresServer,
    put: Put,
    producer: Producer,
    client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monarq.worker.ledger.MOST_KEPT", 1)
    first, second = await put(square.of(1), square.of(2))
    own_server.kill()
    async with serving(settings, square, plain, max_jobs=1) as worker:
        ledger = worker.persistence.ledger if worker.persistence else None
        assert ledger is not None
        await eventually(lambda: ledger.kept >= 1 or worker.journal.complete == 2)
        [third] = [await producer.enqueue(plain.of())]
        assert await third.result(timeout=20) == "done"
        own_server.restart()
        assert await first.result(timeout=60) == 1
        assert await second.result(timeout=60) == 4
        await eventually(lambda: _is_gone(client), within=60)


async def test_a_transaction_of_a_handler_waits_for_the_server_and_spends_no_attempt(
    settings: Settings,
    own_server: PostgresServer,
    put: Put,
    books: Books,
    client: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("monarq.worker.once.AWAY_DELAY", timedelta(seconds=0.2))
    [handle] = await put(pay.of(5))
    own_server.kill()
    async with serving(settings, pay) as worker:
        await eventually(lambda: worker.journal.released >= 2, within=60)
        assert await handle.status() in (State.RUNNING, State.SCHEDULED, State.READY)
        own_server.restart()
        assert await handle.result(timeout=60) == 5
        assert worker.journal.retried == 0
    assert [job_id for job_id, _ in await books.effects()] == [handle.job_id]


# --- what was kept, told


async def kept(client: Redis, **facts: Any) -> None:
    """Put an end on the list, as a settle would."""
    entry = {
        "fence": "w:1",
        "verb": "succeeded",
        "ms": "1764000000000",
        "result": "{}",
        "failure": "",
    } | facts
    await client.rpush(QUEUE.ends, json.dumps(entry))


async def test_what_cannot_be_recorded_is_dropped_and_holds_nothing_up(
    settings: Settings, put: Put, books: Books, client: Redis
) -> None:
    stale, good = await put(square.of(1), square.of(2))
    await books.fetch("UPDATE monarq.durable_jobs SET fence = 5 WHERE job_id = $1", stale.job_id)
    await kept(client, id=stale.job_id)
    await kept(client, id="unknown")
    for garbage in (b"no json \xff", b"[]", b'{"id": 1}', b'{"fence": "w:x"}'):
        await client.rpush(QUEUE.ends, garbage)
    await kept(client, id=good.job_id, result='{"r":4}')
    with structlog.testing.capture_logs() as logs:
        assert await told(settings) == 7
    assert await states(books) == [None, "succeeded"] or await states(books) == ["succeeded", None]
    row = await books.row(good.job_id)
    assert (row.worker, row.fence, row.result) == ("w", 1, b'{"r":4}')
    events = [line["event"] for line in logs]
    assert events.count("durable.kept_end_refused") == 2
    assert events.count("durable.kept_end_unreadable") == 4
    assert not await client.exists(QUEUE.ends)


async def test_two_who_tell_at_once_do_no_harm(
    settings: Settings, put: Put, books: Books, client: Redis
) -> None:
    handles = await put(*(square.of(number) for number in range(MANY)))
    for handle in handles:
        await kept(client, id=handle.job_id)
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(told(settings), told(settings), told(settings))
    assert set(await states(books)) == {"succeeded"}
    assert not [line for line in logs if line["event"].startswith("durable.")]
    assert not await client.exists(QUEUE.ends)


async def test_two_ends_of_one_job_are_told_in_their_order(
    settings: Settings, put: Put, books: Books, client: Redis
) -> None:
    """It died, was replayed, and succeeded; PostgreSQL learns of the first end first."""
    [handle] = await put(square.of(1))
    await kept(client, id=handle.job_id, verb="dead")
    await kept(client, id=handle.job_id, fence="w:2")
    assert await told(settings) == 2
    row = await books.row(handle.job_id)
    assert (row.state, row.fence) == ("dead", 1)


async def told(settings: Settings) -> int:
    database, link = open_database(settings), Link(from_url(settings.redis_url.get_secret_value()))
    try:
        return await drain(link, database, QUEUE)
    finally:
        await database.close()
        await link.close()
