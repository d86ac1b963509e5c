"""What becomes of a job in the history: every end, whatever PostgreSQL does meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis

from monarq.jobs import Cancel, Discard, JobContext, Retry, job
from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.fingerprint import FINGERPRINT
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetters, open_dead_letters
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.workers import live_workers
from monarq.producer import Producer
from monarq.worker import Worker, heartbeat, history
from tests.postgres import PostgresServer, postgres_server

from .conftest import Serve
from .deadlines import eventually
from .past import count, greet, row_of

DEFAULT = queue_keys("default")
SOON = timedelta(milliseconds=1)


@job("quiet", keep_result=0)
async def quiet(ctx: JobContext, number: int = 0) -> None: ...


@job("third.time", max_attempts=5)
async def third_time(ctx: JobContext) -> str:
    if ctx.attempt < 3:
        raise Retry(SOON) from ValueError(f"no {ctx.attempt}")
    return "lucky"


@job("doomed")
async def doomed(ctx: JobContext) -> None:
    raise Discard("no such letter")


@job("changes.its.mind")
async def changes_its_mind(ctx: JobContext) -> None:
    raise Cancel("already paid")


@job("never.ends")
async def never_ends(ctx: JobContext) -> None:
    await asyncio.Event().wait()


async def add(ctx: dict[str, Any], one: int, other: int) -> int:
    return one + other


@pytest.fixture
async def letters(redis_url: str) -> AsyncIterator[DeadLetters]:
    link = Link(from_url(redis_url))
    yield open_dead_letters(link)
    await link.close()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


async def attempts_of(rows: asyncpg.Connection, job_id: str) -> list[asyncpg.Record]:
    select = "SELECT * FROM monarq.attempts WHERE job_id = $1 ORDER BY ended_at, number"
    found: list[asyncpg.Record] = await rows.fetch(select, job_id)
    return found


# --- how it ended


async def test_a_success_is_kept_with_its_arguments_and_its_result(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    before = datetime.now(UTC)
    async with keeps(greet) as worker:
        handle = await producer.enqueue(greet.of("ann"), priority="high", tags=["vip", "eu"])
        await handle.result(timeout=20)
        row = await row_of(rows, handle.job_id)
    assert (row["state"], row["queue"], row["kind"], row["priority"]) == (
        "succeeded",
        "default",
        "greet",
        "high",
    )
    assert (row["payload"], row["result"]) == ('{"name": "ann"}', '{"hello": "ann"}')
    assert (row["attempts"], row["starts"], row["worker"]) == (1, 1, worker.worker_id)
    assert before <= row["enqueued_at"] + timedelta(milliseconds=1)
    assert row["enqueued_at"] <= row["started_at"] <= row["ended_at"] <= datetime.now(UTC)
    assert row["run_ms"] == (row["ended_at"] - row["started_at"]) / timedelta(milliseconds=1)
    assert row["wait_ms"] == (row["started_at"] - row["enqueued_at"]) / timedelta(milliseconds=1)
    told_only_of_others = ("error_type", "error_message", "fingerprint", "reason", "by")
    assert [row[name] for name in told_only_of_others] == [None] * 5
    assert row["tags"] == ["vip", "eu"]
    assert await attempts_of(rows, handle.job_id) == []


async def test_a_job_of_arqs_own_producers_is_kept_too(
    keeps: Serve, pool: ArqRedis, rows: asyncpg.Connection
) -> None:
    async with keeps(add):
        sent = await pool.enqueue_job("add", 1, other=2)
        assert sent is not None
        row = await row_of(rows, sent.job_id)
    assert (row["kind"], row["payload"], row["result"]) == ("add", '{"*": [1], "other": 2}', "3")


async def test_a_job_that_fails_and_then_succeeds_is_kept_with_what_went_wrong(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    async with keeps(third_time):
        handle = await producer.enqueue(third_time.of())
        row = await row_of(rows, handle.job_id)
    assert (row["state"], row["attempts"], row["starts"]) == ("succeeded", 3, 3)
    assert (row["error_type"], row["fingerprint"]) == (None, None)
    attempts = await attempts_of(rows, handle.job_id)
    assert [(one["number"], one["cause"], one["error_type"]) for one in attempts] == [
        (1, "error", "Retry"),
        (2, "error", "Retry"),
    ]
    assert "ValueError: no 2" in attempts[1]["traceback"]
    assert {one["ended_at"] for one in attempts} == {row["ended_at"]}


async def test_a_dead_letter_is_kept_with_its_error_and_its_fingerprint(
    keeps: Serve, producer: Producer, letters: DeadLetters, rows: asyncpg.Connection
) -> None:
    async with keeps(doomed):
        handle = await producer.enqueue(doomed.of())
        row = await row_of(rows, handle.job_id)
        [letter] = await letters.list()
    assert (row["state"], row["error_type"], row["error_message"]) == ("dead", "Discard", "no such letter")
    assert FINGERPRINT.fullmatch(row["fingerprint"])
    assert row["fingerprint"] == letter.fingerprint
    assert [one["number"] for one in await attempts_of(rows, handle.job_id)] == [1]


async def test_a_replayed_job_has_a_row_for_each_end_and_each_attempt_once(
    keeps: Serve, producer: Producer, letters: DeadLetters, rows: asyncpg.Connection
) -> None:
    async with keeps(doomed):
        handle = await producer.enqueue(doomed.of())
        await row_of(rows, handle.job_id)
        await letters.replay([handle.job_id])
        await eventually(lambda: _has(rows, 2))
    assert [one["number"] for one in await attempts_of(rows, handle.job_id)] == [1, 2]


async def _has(rows: asyncpg.Connection, wanted: int) -> bool:
    return await count(rows) == wanted


async def test_a_job_that_cancels_itself_says_why(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    async with keeps(changes_its_mind):
        handle = await producer.enqueue(changes_its_mind.of())
        row = await row_of(rows, handle.job_id)
    told = (row["state"], row["by"], row["reason"], row["error_type"])
    assert told == ("cancelled", "handler", "already paid", None)


async def test_a_job_whose_deadline_has_passed_is_kept_as_expired(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    handle = await producer.enqueue(greet.of("late"), expires_in=SOON)
    await asyncio.to_thread(_pass_a_moment)
    async with keeps(greet):
        row = await row_of(rows, handle.job_id)
    assert (row["state"], row["attempts"], row["run_ms"], row["result"]) == ("expired", 0, None, None)
    assert "its deadline passed" in row["error_message"]


def _pass_a_moment() -> None:
    deadline = datetime.now(UTC) + 10 * SOON
    while datetime.now(UTC) < deadline:
        pass


async def test_a_record_that_cannot_be_read_is_kept_as_such(
    keeps: Serve, client: Redis, rows: asyncpg.Connection
) -> None:
    await client.set("arq:job:strange", b"\x00\xff")
    await client.zadd(DEFAULT.ranks[2], {"strange": 1})
    async with keeps(greet):
        row = await row_of(rows, "strange")
    assert (row["state"], row["kind"], row["payload"]) == ("dead", "<unreadable>", None)


async def test_the_arguments_of_a_job_may_hold_what_postgresql_cannot(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    async with keeps(greet) as worker:
        nul = await producer.enqueue(greet.of("a\0b"))
        good = await producer.enqueue(greet.of("c"))
        assert (await row_of(rows, nul.job_id))["payload"] == '{"name": "a\\\\x00b"}'
        assert (await row_of(rows, good.job_id))["payload"] == '{"name": "c"}'
        assert worker.persistence is not None
        assert worker.persistence.report()["history"]["dropped"] == 0


async def test_large_arguments_and_results_are_left_out(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    async with keeps(greet):
        handle = await producer.enqueue(greet.of("x" * 70_000))
        row = await row_of(rows, handle.job_id)
    assert (row["state"], row["payload"], row["result"]) == ("succeeded", None, None)


# --- what it costs the queue


async def test_without_a_wish_for_it_nothing_is_written(
    keeps: Serve, producer: Producer, client: Redis, rows: asyncpg.Connection
) -> None:
    async with keeps(greet, history=False) as worker:
        await (await producer.enqueue(greet.of("ann"))).result(timeout=20)
        assert worker.persistence is not None
        assert worker.persistence.history is None
        assert not await client.exists(DEFAULT.history)
    assert await count(rows) == 0


async def test_what_has_not_been_written_is_written_when_the_worker_stops(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "FLUSH_SECONDS", 3600.0)
    async with keeps(quiet) as worker:
        await producer.enqueue_many([quiet.of(number) for number in range(20)])
        await eventually(lambda: worker.journal.complete == 20)
        assert await count(rows) == 0
    assert await count(rows) == 20


async def test_a_full_batch_does_not_wait(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "FLUSH_SECONDS", 3600.0)
    monkeypatch.setattr(history, "BATCH", 10)
    async with keeps(quiet):
        await producer.enqueue_many([quiet.of(number) for number in range(10)])
        await eventually(lambda: _has(rows, 10))


async def test_a_frozen_attempt_that_lost_its_job_writes_no_end(
    keeps: Serve, producer: Producer, client: Redis, rows: asyncpg.Connection
) -> None:
    """Who has the job now writes it."""
    async with keeps(never_ends) as worker:
        handle = await producer.enqueue(never_ends.of())
        await eventually(lambda: worker.runs)
        await client.set(f"arq:in-progress:{handle.job_id}", "other:2")
        [run] = worker.runs
        run.cancel(CancelNote("bob", ""))
        await eventually(lambda: worker.journal.refused)
    assert await count(rows) == 0


# --- PostgreSQL is away


async def test_the_queue_goes_on_while_postgresql_is_away_and_nothing_is_missing_afterwards(
    serve: Serve, producer: Producer, own_postgres: PostgresServer
) -> None:
    url = await asyncio.to_thread(own_postgres.new_database)
    async with serve(quiet, greet, settings={"database_url": url}) as worker:
        written = _history_of(worker)
        await producer.enqueue_many([quiet.of(number) for number in range(300)])
        await eventually(lambda: written.written == 300)
        await asyncio.to_thread(own_postgres.kill)
        await producer.enqueue_many([quiet.of(number) for number in range(2_500)])
        handle = await producer.enqueue(greet.of("still here"))
        assert await handle.result(timeout=20) == {"hello": "still here"}
        await eventually(lambda: written.pending == 2_501)
        await asyncio.to_thread(own_postgres.restart)
        await eventually(lambda: written.written == 2_801)
        assert written.dropped == 0
    assert await _count_in(url) == 2_801


async def test_of_more_than_the_buffer_holds_the_oldest_are_dropped_and_counted(
    serve: Serve,
    producer: Producer,
    redis_url: str,
    own_postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(heartbeat, "REPORT_EVERY_IDLE", 0.0)
    url = await asyncio.to_thread(own_postgres.new_database)
    async with serve(quiet, settings={"database_url": url, "history_buffer": 100}) as worker:
        await asyncio.to_thread(own_postgres.kill)
        kept = _history_of(worker)
        await producer.enqueue_many([quiet.of(number) for number in range(500)])
        await eventually(lambda: worker.journal.complete == 500)
        assert kept.pending + kept.dropped == 500
        assert kept.dropped >= 300
        await eventually(lambda: _reports(redis_url, dropped=kept.dropped))
        await asyncio.to_thread(own_postgres.restart)
        await eventually(lambda: kept.pending == 0)
    connection = await asyncpg.connect(url)
    numbers = {
        int(number) for [number] in await connection.fetch("SELECT payload ->> 'number' FROM monarq.jobs")
    }
    await connection.close()
    assert len(numbers) == 500 - kept.dropped
    assert len(numbers & set(range(400, 500))) >= 90  # the newest, but for who overtook whom


async def test_the_attempt_to_write_survives_a_backend_that_is_killed(
    keeps: Serve, producer: Producer, rows: asyncpg.Connection
) -> None:
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with keeps(quiet):
        for _ in range(20):
            await producer.enqueue_many([quiet.of(number) for number in range(50)])
            await rows.execute(kill)
        await eventually(lambda: _has(rows, 1000))
    assert await count(rows) == 1000


async def _reports(redis_url: str, *, dropped: int) -> bool:
    link = Link(from_url(redis_url))
    try:
        told = [worker.history for worker in await live_workers(link)]
    finally:
        await link.close()
    return any(report is not None and report.dropped == dropped and report.lag_ms > 0 for report in told)


def _history_of(worker: Worker) -> history.History:
    assert worker.persistence is not None
    assert worker.persistence.history is not None
    return worker.persistence.history


async def _count_in(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await count(connection)
    finally:
        await connection.close()
