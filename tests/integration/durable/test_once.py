"""`ctx.once()`: the handler's writes and the end of the job, both or neither."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.errors import JobFailed
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.retry import fixed
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import dead_letter, failures_of
from tests.postgres_proxy import PostgresProxy

from . import once_kinds
from .once_kinds import ADD_EFFECT, pay
from .stage import Books, Put, Serve

pytestmark = pytest.mark.every_postgres

TAKE_OVER = "UPDATE monarq.durable_jobs SET fence = $2, worker = 'later' WHERE job_id = $1"
END = """UPDATE monarq.durable_jobs SET fence = 9, worker = 'later', state = 'succeeded', ended_at = now(),
result = $2 WHERE job_id = $1"""
RECORD = (
    b'{"m":{"v":1,"s":"succeeded"},"t":1,"f":"victim","a":[],"k":{},"et":1,'
    b'"s":true,"st":1,"ft":1,"q":"default","r":42}'
)


async def test_the_writes_and_the_end_are_committed_together(
    serve: Serve, producer: Producer, books: Books
) -> None:
    async with serve(pay):
        handle = await producer.enqueue(pay.of(5))
        assert await handle.result(timeout=20) == 5
        row = await books.row(handle.job_id)
    assert (row.state, row.fence) == ("succeeded", 1)
    assert await books.effects() == [(handle.job_id, 1)]


async def test_nothing_is_seen_of_either_before_the_commit(
    serve: Serve, producer: Producer, books: Books
) -> None:
    began, gate = asyncio.Event(), asyncio.Event()

    @job("slow", durable=True)
    async def slow(ctx: JobContext) -> None:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            began.set()
            await gate.wait()

    async with serve(slow):
        handle = await producer.enqueue(slow.of())
        await asyncio.wait_for(began.wait(), 20)
        assert await books.effects() == []
        assert (await books.row(handle.job_id)).state is None
        gate.set()
        assert await handle.result(timeout=20) is None
        assert len(await books.effects()) == 1


async def test_an_error_within_undoes_the_writes_and_is_tried_again(
    serve: Serve, producer: Producer, books: Books, client: Redis
) -> None:
    @job("shaky", durable=True, backoff=fixed(0))
    async def shaky(ctx: JobContext) -> None:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            if ctx.attempt < 3:
                await conn.execute("SELECT 1 / 0")

    async with serve(shaky) as worker:
        handle = await producer.enqueue(shaky.of())
        assert await handle.result(timeout=20) is None
        assert worker.journal.retried == 2
    assert await books.effects() == [(handle.job_id, 3)]


async def test_an_error_of_postgresql_is_asyncpg_s_own(
    serve: Serve, producer: Producer, books: Books
) -> None:
    seen: list[BaseException] = []

    @job("odd", durable=True, max_attempts=1)
    async def odd(ctx: JobContext) -> None:
        try:
            async with ctx.once() as conn:
                await conn.execute("SELECT 1 / 0")
        except Exception as error:
            seen.append(error)
            raise

    async with serve(odd):
        handle = await producer.enqueue(odd.of())
        with pytest.raises(JobFailed):
            await handle.result(timeout=20)
    assert isinstance(seen[0], asyncpg.DivisionByZeroError)
    assert await books.state(handle.job_id) == "dead"


async def test_an_error_after_the_block_does_not_undo_the_end(
    serve: Serve, producer: Producer, books: Books
) -> None:
    @job("late", durable=True)
    async def late(ctx: JobContext) -> str:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            ctx.complete("done")
        raise ValueError("too late")

    with structlog.testing.capture_logs() as logs:
        async with serve(late):
            handle = await producer.enqueue(late.of())
            assert await handle.result(timeout=20) == "done"
    assert "job.failed_after_its_end" in [line["event"] for line in logs]
    assert len(await books.effects()) == 1


async def test_a_result_that_does_not_fit_undoes_all(serve: Serve, producer: Producer, books: Books) -> None:
    @job("unfit", durable=True, max_attempts=1)
    async def unfit(ctx: JobContext) -> int:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            ctx.complete("no number")
        return 0

    async with serve(unfit):
        handle = await producer.enqueue(unfit.of())
        with pytest.raises(JobFailed, match="InvalidResult"):
            await handle.result(timeout=20)
    assert await books.effects() == []


async def test_a_timeout_within_undoes_the_writes(serve: Serve, producer: Producer, books: Books) -> None:
    @job("slow", durable=True, timeout=0.3, max_attempts=1)
    async def slow(ctx: JobContext) -> None:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            await conn.execute("SELECT pg_sleep(60)")

    async with serve(slow):
        handle = await producer.enqueue(slow.of())
        with pytest.raises(JobFailed, match="timed out"):
            await handle.result(timeout=20)
    assert await books.effects() == []
    assert await books.state(handle.job_id) == "dead"


# --- who may use it


async def test_it_is_for_durable_jobs(serve: Serve, producer: Producer, client: Redis) -> None:
    @job("plain", max_attempts=1)
    async def plain(ctx: JobContext) -> None:
        async with ctx.once():
            pass

    async with serve(plain):
        handle = await producer.enqueue(plain.of())
        letter = await dead_letter(client, handle.job_id)
    assert letter.last.error_type == "DefinitionError"
    assert "durable=True" in letter.last.message


async def test_an_attempt_has_one_transaction(serve: Serve, producer: Producer, books: Books) -> None:
    seen: list[str] = []

    @job("greedy", durable=True)
    async def greedy(ctx: JobContext) -> None:
        for use in (lambda: ctx.complete(1), ctx.once().__aenter__, ctx.once().__aenter__):
            try:
                if (waiting := use()) is not None:
                    await waiting
            except Exception as error:
                seen.append(f"{type(error).__name__}: {error}")

    async with serve(greedy):
        await (await producer.enqueue(greedy.of())).result(timeout=20)
    assert [line.partition(":")[0] for line in seen] == ["DefinitionError", "DefinitionError"]
    assert "within" in seen[0]
    assert "used already" in seen[1]


# --- attempts that come too late


def interrupted_by(sql: str, *arguments: Any, books: Books, within: bool) -> Any:
    """A kind for whose job something else happens, before its transaction is opened or within it."""
    passed: list[int] = []

    @job("victim", durable=True)
    async def victim(ctx: JobContext) -> int:
        if ctx.fence == 1 and not within:
            await books.fetch(sql, ctx.job_id, *arguments)
        try:
            async with ctx.once() as conn:
                await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
                if ctx.fence == 1 and within:
                    await books.fetch(sql, ctx.job_id, *arguments)
                ctx.complete(ctx.fence)
        except Exception:
            passed.append(ctx.fence)
        passed.append(ctx.fence)
        return 0

    return victim, passed


@pytest.mark.parametrize("within", [False, True], ids=["before", "within"])
async def test_a_stale_attempt_is_undone_and_its_handler_ended(
    serve: Serve, producer: Producer, books: Books, within: bool
) -> None:
    victim, passed = interrupted_by(TAKE_OVER, 1, books=books, within=within)
    async with serve(victim):
        handle = await producer.enqueue(victim.of())
        assert await handle.result(timeout=20) == 2
    assert passed == [2]
    assert await books.effects() == [(handle.job_id, 2)]


@pytest.mark.parametrize("within", [False, True], ids=["before", "within"])
async def test_a_job_that_has_ended_meanwhile_ends_as_postgresql_says(
    serve: Serve, producer: Producer, books: Books, within: bool
) -> None:
    victim, passed = interrupted_by(END, RECORD, books=books, within=within)
    async with serve(victim):
        handle = await producer.enqueue(victim.of())
        assert await handle.result(timeout=20) == 42
    assert passed == []
    assert await books.effects() == []


# --- what breaks


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[PostgresProxy]:
    async with PostgresProxy(database_url) as standing:
        yield standing


async def test_a_commit_whose_answer_is_lost_is_looked_up(
    serve: Serve, put: Put, books: Books, proxy: PostgresProxy
) -> None:
    [handle] = await put(pay.of(5))
    async with serve(pay, settings={"database_url": proxy.url, "relay": False}) as worker:
        proxy.cut_after("COMMIT", of=ADD_EFFECT)
        assert await handle.result(timeout=20) == 5
        assert worker.journal.retried == worker.journal.released == 0
    assert await books.effects() == [(handle.job_id, 1)]


async def test_a_commit_that_does_not_arrive_is_tried_again(
    serve: Serve, put: Put, books: Books, proxy: PostgresProxy
) -> None:
    [handle] = await put(pay.of(5))
    async with serve(pay, settings={"database_url": proxy.url, "relay": False}) as worker:
        proxy.cut_before("COMMIT", of=ADD_EFFECT)
        assert await handle.result(timeout=20) == 5
        assert worker.journal.retried == 1
    assert await books.effects() == [(handle.job_id, 2)]


async def test_a_commit_of_which_nothing_can_be_learnt_is_found_by_the_next_attempt(
    serve: Serve, put: Put, books: Books, proxy: PostgresProxy, monkeypatch: pytest.MonkeyPatch, client: Redis
) -> None:
    """It spends no attempt, so that the job cannot die of it."""
    monkeypatch.setattr("monarq.worker.once._DECIDED_WITHIN", 0.3)
    monkeypatch.setattr("monarq.worker.once.AWAY_DELAY", timedelta(seconds=0.1))
    [handle] = await put(pay.of(5))
    async with serve(pay, settings={"database_url": proxy.url, "relay": False}) as worker:
        proxy.cut_after("COMMIT", of=ADD_EFFECT, and_refuse=True)
        await eventually(lambda: worker.journal.released >= 2)
        await proxy.heal()
        assert await handle.result(timeout=20) == 5
    assert await failures_of(client, handle.job_id) == []
    assert await books.effects() == [(handle.job_id, 1)]


async def test_a_connection_that_is_lost_within_undoes_all(
    serve: Serve, producer: Producer, books: Books
) -> None:
    @job("cut", durable=True, backoff=fixed(0))
    async def cut(ctx: JobContext) -> None:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            if ctx.attempt == 1:
                await books.fetch(
                    "SELECT pg_terminate_backend($1)", await conn.fetchval("SELECT pg_backend_pid()")
                )

    async with serve(cut):
        handle = await producer.enqueue(cut.of())
        await handle.result(timeout=20)
    assert await books.effects() == [(handle.job_id, 2)]


async def test_a_transaction_that_is_left_alone_is_ended_by_the_server(
    serve: Serve, producer: Producer, books: Books
) -> None:
    """So that a frozen worker does not hold its locks for ever."""

    @job("idle", durable=True, backoff=fixed(0))
    async def idle(ctx: JobContext) -> None:
        async with ctx.once() as conn:
            await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
            if ctx.attempt == 1:
                await eventually(lambda: conn.is_closed())

    async with serve(idle, settings={"once_idle_timeout": timedelta(seconds=1)}):
        handle = await producer.enqueue(idle.of())
        await handle.result(timeout=20)
    assert await books.effects() == [(handle.job_id, 2)]


# --- in children


async def test_it_works_in_a_child_process(serve: Serve, producer: Producer, books: Books) -> None:
    async with serve(once_kinds.pay_in_process):
        handle = await producer.enqueue(once_kinds.pay_in_process.of(5))
        assert await handle.result(timeout=60) not in (5, os.getpid())
        assert await books.state(handle.job_id) == "succeeded"
    assert await books.effects() == [(handle.job_id, 1)]


async def test_a_child_that_dies_after_its_commit_has_done_the_job(
    serve: Serve, producer: Producer, books: Books
) -> None:
    async with serve(once_kinds.die_afterwards):
        handle = await producer.enqueue(once_kinds.die_afterwards.of())
        assert await handle.result(timeout=60) == "paid"
    assert await books.effects() == [(handle.job_id, 1)]


async def test_a_suspect_may_use_it(serve: Serve, put: Put, books: Books, client: Redis) -> None:
    """It runs alone, in a child."""
    [handle] = await put(pay.of(5))
    lapse = Failure(spent=0, crashes=0, lapses=1, cause=Cause.CRASH, fence=1, worker="gone")
    await client.rpush(f"monarq:failures:{handle.job_id}", lapse.encode())
    await client.set(f"arq:retry:{handle.job_id}", 1)
    async with serve(pay):
        assert await handle.result(timeout=60) == 5
    assert await books.effects() == [(handle.job_id, 2)]
