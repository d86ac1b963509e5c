"""A durable job from its claim to its end, in both servers."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import Cancel, JobContext, State, Unique, job
from monarq.jobs.errors import JobCancelled, JobExpired, JobFailed
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.retry import fixed
from monarq.jobs.settings import Settings
from monarq.jobs.store.postgres import open_database
from monarq.producer import Producer
from monarq.worker import reach
from monarq.worker.fresh_ends import PutBack
from monarq.worker.maintenance.forgetting import Forgetting
from tests.integration.worker.deadlines import always, eventually
from tests.integration.worker.stage import dead_letter, stats, waiting

from .stage import QUEUE, Books, Put, Serve

pytestmark = pytest.mark.every_postgres

RECORD = (
    b'{"m":{"v":1,"s":"%b"},"t":1,"f":"never","a":[],"k":{},"et":1,'
    b'"s":%b,"st":1,"ft":1,"q":"default","id":"x","r":%b}'
)
END_AS = """UPDATE monarq.durable_jobs
SET state = $2, ended_at = now(), fence = 1, worker = 'gone', result = $3, failure = $4 WHERE job_id = $1"""
TAKE_OVER = "UPDATE monarq.durable_jobs SET fence = $2, worker = 'later' WHERE job_id = $1"
DAY = timedelta(days=1)


@job("double", durable=True)
async def double(ctx: JobContext, number: int) -> int:
    return 2 * number


@job("doomed", durable=True, max_attempts=2, backoff=fixed(0))
async def doomed(ctx: JobContext) -> None:
    raise ValueError("no")


@job("obsolete", durable=True)
async def obsolete(ctx: JobContext) -> None:
    raise Cancel("paid meanwhile")


@job("never", durable=True)
async def never(ctx: JobContext) -> None:
    raise AssertionError("it has ended before")


def gated(**options: Any) -> tuple[Any, asyncio.Event, asyncio.Event]:
    """A kind whose jobs tell that they run, and wait until they may end."""
    began, gate = asyncio.Event(), asyncio.Event()

    @job("gated", durable=True, **options)
    async def hold(ctx: JobContext) -> int:
        began.set()
        await gate.wait()
        return ctx.fence

    return hold, began, gate


# --- each end


async def test_a_success_is_recorded_with_its_attempt_and_result(
    serve: Serve, producer: Producer, books: Books
) -> None:
    async with serve(double) as worker:
        handle = await producer.enqueue(double.of(4))
        assert await handle.result(timeout=20) == 8
        row = await books.row(handle.job_id)
    assert (row.state, row.fence, row.worker, row.spent) == ("succeeded", 1, worker.worker_id, 0)
    assert json.loads(row.result or b"")["r"] == 8
    assert row.failure is None


async def test_a_death_is_recorded_with_what_it_died_of(
    serve: Serve, producer: Producer, books: Books
) -> None:
    async with serve(doomed):
        handle = await producer.enqueue(doomed.of())
        with pytest.raises(JobFailed):
            await handle.result(timeout=20)
        row = await books.row(handle.job_id)
    assert (row.state, row.fence, row.spent) == ("dead", 2, 1)
    assert json.loads(row.failure or b"")["message"] == "no"


async def test_a_job_that_ends_itself_is_recorded_as_cancelled(
    serve: Serve, producer: Producer, books: Books
) -> None:
    async with serve(obsolete):
        handle = await producer.enqueue(obsolete.of())
        with pytest.raises(JobCancelled):
            await handle.result(timeout=20)
        assert await books.state(handle.job_id) == "cancelled"


async def test_a_deadline_that_has_passed_is_recorded_as_expired(
    serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    [handle] = await put(double.of(1), expires_in=0.001)
    await eventually(lambda: client.zscore(QUEUE.ranks[2], handle.job_id))
    async with serve(double):
        with pytest.raises(JobExpired):
            await handle.result(timeout=20)
        assert await books.state(handle.job_id) == "expired"


async def test_postgresql_knows_an_end_before_redis_does(
    serve: Serve, producer: Producer, books: Books, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row is locked: as long as PostgreSQL may answer, Redis is not told."""
    monkeypatch.setattr(reach, "_PATIENCE", 20.0)
    hold, began, gate = gated()
    async with serve(hold):
        handle = await producer.enqueue(hold.of())
        await asyncio.wait_for(began.wait(), 20)
        async with books.locked(handle.job_id):
            gate.set()
            await always(lambda: client.zscore(QUEUE.running, handle.job_id), during=0.3)
        assert await handle.result(timeout=20) == 1
        assert await books.state(handle.job_id) == "succeeded"
        assert await client.llen(QUEUE.ends) == 0


# --- an attempt that comes too late


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "expired"])
async def test_a_job_that_has_ended_already_is_settled_without_running(
    serve: Serve, put: Put, books: Books, state: str, client: Redis
) -> None:
    """Redis had lost or forgotten that it did."""
    [handle] = await put(never.of())
    success = b"true" if state == "succeeded" else b"false"
    told = b"null" if state == "succeeded" else b'{"message":"told by PostgreSQL"}'
    await books.fetch(END_AS, handle.job_id, state, RECORD % (state.encode(), success, told), None)
    async with serve(never) as worker:
        if state == "succeeded":
            assert await handle.result(timeout=20) is None
        else:
            with pytest.raises((JobCancelled, JobExpired), match="told by PostgreSQL"):
                await handle.result(timeout=20)
        await eventually(lambda: not worker.runs)
    row = await books.row(handle.job_id)
    assert (row.state, row.fence, row.worker) == (state, 1, "gone")
    assert await waiting(client) == 0


async def test_a_job_that_has_died_already_is_a_dead_letter_with_its_cause(
    serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    [handle] = await put(never.of())
    failure = Failure(spent=5, crashes=0, cause=Cause.ERROR, fence=1, worker="gone", message="died before")
    await books.fetch(END_AS, handle.job_id, "dead", None, failure.encode())
    async with serve(never):
        letter = await dead_letter(client, handle.job_id)
    assert letter.last == failure


async def test_a_job_that_has_ended_already_frees_its_unique_key(
    serve: Serve, put: Put, books: Books, producer: Producer
) -> None:
    rule = Unique(by=[], until="end")
    [handle] = await put(never.of(), unique=rule)
    await books.fetch(END_AS, handle.job_id, "succeeded", RECORD % (b"succeeded", b"true", b"null"), None)
    async with serve(never):
        await handle.result(timeout=20)
    [other] = await put(never.of(), unique=rule)
    assert await other.status() is State.READY


async def test_the_end_of_a_stale_attempt_is_refused_and_redis_never_hears_of_it(
    serve: Serve, producer: Producer, books: Books, client: Redis
) -> None:
    hold, began, gate = gated()
    async with serve(hold) as worker:
        handle = await producer.enqueue(hold.of())
        await asyncio.wait_for(began.wait(), 20)
        await books.fetch(TAKE_OVER, handle.job_id, 7)
        gate.set()
        await eventually(lambda: worker.journal.refused == 1)
        assert await handle.status() is State.RUNNING
    assert "succeeded" not in await stats(client)
    row = await books.row(handle.job_id)
    assert (row.state, row.fence, row.worker) == (None, 7, "later")


async def test_an_attempt_behind_what_postgresql_knows_does_not_run(
    serve: Serve, put: Put, books: Books
) -> None:
    """Redis has gone back: the numbers of its attempts begin anew."""
    hold, began, gate = gated()
    gate.set()
    [handle] = await put(hold.of())
    await books.fetch(TAKE_OVER, handle.job_id, 1)
    async with serve(hold) as worker:
        ledger = worker.persistence.ledger if worker.persistence else None
        assert ledger is not None
        await asyncio.wait_for(ledger.is_behind.wait(), 20)
        assert not began.is_set()
        assert await handle.result(timeout=20) == 2  # by then it has caught up
    assert (await books.row(handle.job_id)).fence == 2


async def test_a_job_that_postgresql_does_not_know_is_a_dead_letter(
    serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    [handle] = await put(never.of())
    await books.fetch("DELETE FROM monarq.durable_jobs")
    async with serve(never):
        letter = await dead_letter(client, handle.job_id)
    assert letter.last.error_type == "DurableRowMissing"
    assert handle.job_id in letter.last.message


async def test_a_job_of_an_impossible_id_is_a_dead_letter(
    serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    """Somebody has written it past PostgreSQL; its neighbours run."""
    [handle] = await put(double.of(1))
    body = await client.get(f"arq:job:{handle.job_id}")
    await client.set(b"arq:job:\xff\x00", body)
    await client.zadd(QUEUE.ranks[2], {b"\xff\x00": 1})
    async with serve(double):
        assert await handle.result(timeout=20) == 2
        await eventually(lambda: client.zscore(QUEUE.dead, b"\xff\x00"))


async def test_a_job_whose_row_is_locked_runs_all_the_same(
    serve: Serve, put: Put, books: Books, client: Redis
) -> None:
    """Whoever reconciles holds rows for a moment; nobody waits for that."""
    hold, began, gate = gated()
    [handle] = await put(hold.of())
    async with serve(hold):
        async with books.locked(handle.job_id):
            await asyncio.wait_for(began.wait(), 20)
        gate.set()
        assert await handle.result(timeout=20) == 1
        row = await books.row(handle.job_id)
    assert (row.state, row.fence) == ("succeeded", 1)


# --- without a database


async def test_a_worker_without_a_database_leaves_durable_jobs_to_others(
    serve: Serve, put: Put, client: Redis
) -> None:
    [handle] = await put(double.of(1))
    with structlog.testing.capture_logs() as logs:
        async with serve(double, settings={"database_url": None}) as worker:
            await eventually(lambda: worker.journal.released == 1)
            assert worker.executor.put_back["default", PutBack.NO_DATABASE] == 1
    assert [line["event"] for line in logs].count("job.needs_database") == 1
    assert await handle.status() is State.SCHEDULED


async def test_arguments_that_look_like_the_mark_make_no_job_durable(
    serve: Serve, producer: Producer
) -> None:
    @job("x")
    async def versioned(ctx: JobContext, v: int, d: int) -> int:
        return v + d

    async with serve(versioned, settings={"database_url": None}):
        handle = await producer.enqueue(versioned.of(v=1, d=1))
        assert await handle.result(timeout=20) == 2


# --- cancel


@pytest.mark.parametrize("delay", [0, 3600], ids=["ready", "scheduled"])
async def test_a_waiting_job_is_cancelled_by_a_worker_in_both_servers(
    serve: Serve, put: Put, books: Books, delay: float
) -> None:
    [handle] = await put(never.of(), delay=delay)
    assert await handle.cancel("not needed", by="ann") == "requested"
    assert await books.state(handle.job_id) is None
    async with serve(never):
        with pytest.raises(JobCancelled) as cancelled:
            await handle.result(timeout=20)
        assert (cancelled.value.by, cancelled.value.reason) == ("ann", "not needed")
        assert await books.state(handle.job_id) == "cancelled"
        assert await handle.cancel() == "cancelled"


async def test_who_cancels_a_waiting_job_may_wait_for_the_worker(
    serve: Serve, put: Put, books: Books
) -> None:
    async with serve(never):
        [handle] = await put(never.of(), delay=3600)
        assert await handle.cancel(wait=20) == "cancelled"


async def test_a_cancelled_job_that_a_worker_must_not_end_does_not_go_round_and_round(
    serve: Serve, put: Put, client: Redis
) -> None:
    """It is due at once, whatever delay it is given back for; a worker without a database is no help."""
    [handle] = await put(never.of())
    await handle.cancel()
    async with serve(never, settings={"database_url": None, "drain_timeout": timedelta(0)}):
        await eventually(lambda: client.zscore(QUEUE.running, handle.job_id))
        await always(lambda: _starts_are_few(client), during=1.0)
    assert await handle.status() is State.READY


async def _starts_are_few(client: Redis) -> bool:
    return (await stats(client)).get("started", 0) <= 2


async def test_a_running_job_is_cancelled_in_both_servers(
    serve: Serve, producer: Producer, books: Books
) -> None:
    hold, began, _ = gated()
    async with serve(hold, settings={"lease": timedelta(seconds=2)}):
        handle = await producer.enqueue(hold.of())
        await asyncio.wait_for(began.wait(), 20)
        assert await handle.cancel(wait=20) == "cancelled"
        assert await books.state(handle.job_id) == "cancelled"


# --- forget


async def test_ended_jobs_are_forgotten_after_their_time(put: Put, books: Books, settings: Settings) -> None:
    old, young, dead, waits = await put(*(never.of() for _ in range(4)))
    for handle, state, days in ((old, "succeeded", 8), (young, "expired", 6), (dead, "dead", 30)):
        await books.fetch(
            "UPDATE monarq.durable_jobs SET state = $2, ended_at = now() - $3::interval WHERE job_id = $1",
            handle.job_id,
            state,
            days * DAY,
        )
    database = open_database(settings)
    try:
        assert await Forgetting(database, keep=7 * DAY, dead_keep=90 * DAY).forget() == 1
        assert await _known(books) == {young.job_id, dead.job_id, waits.job_id}
        assert await Forgetting(database, keep=5 * DAY, dead_keep=timedelta(0)).forget() == 1
        assert await Forgetting(database, keep=5 * DAY, dead_keep=29 * DAY).forget() == 1
        assert await _known(books) == {waits.job_id}
    finally:
        await database.close()


async def _known(books: Books) -> set[str]:
    return {row["job_id"] for row in await books.fetch("SELECT job_id FROM monarq.durable_jobs")}


async def test_a_worker_that_stops_hands_durable_jobs_back(serve: Serve, put: Put, books: Books) -> None:
    hold, began, _ = gated()
    [handle] = await put(hold.of())
    async with serve(hold, settings={"drain_timeout": timedelta(0)}):
        await asyncio.wait_for(began.wait(), 20)
    assert await handle.status() is State.READY
    assert (await books.row(handle.job_id)).state is None
