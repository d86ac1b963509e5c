"""Pausing a queue or a kind under a live worker: nothing starts, nothing is lost, and it goes on in time."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.failure import Cause
from monarq.jobs.store.keys import queue_keys
from monarq.producer import Order, Producer
from monarq.worker import Worker

from .conftest import Serve
from .deadlines import always, eventually
from .stage import failures_of, settings_for, stats, waiting

started: list[str] = []
ended: list[str] = []
gate = asyncio.Event()
#: A worker's heartbeat looks each second.
LONGER_THAN_A_TICK = 1.5


@pytest.fixture(autouse=True)
def _nothing_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started.clear()
    ended.clear()
    monkeypatch.setitem(globals(), "gate", asyncio.Event())


@job("note")
async def note(ctx: JobContext, name: str) -> None:
    started.append(name)


@job("other")
async def other(ctx: JobContext, name: str) -> None:
    started.append(name)


@job("hold", max_attempts=1)
async def hold(ctx: JobContext, name: str = "held") -> None:
    started.append(name)
    await gate.wait()
    ended.append(name)


async def test_a_paused_queue_starts_nothing_and_a_resumed_one_everything(
    serve: Serve, producer: Producer
) -> None:
    async with serve(note) as worker:
        await producer.pauses.pause("default", why="a test")
        handles = [await producer.enqueue(note.of(name)) for name in "abc"]
        await eventually(lambda: worker.fetcher._idle is not None)
        await always(lambda: not started, during=0.3)
        assert [await handle.status() for handle in handles] == [State.READY] * 3
        await producer.pauses.resume("default")
        for handle in handles:
            await handle.result(timeout=20)
    assert started == list("abc")


async def test_a_resume_wakes_an_idle_worker_at_once(serve: Serve, producer: Producer) -> None:
    """Its longest sleep is 15 s."""
    await producer.pauses.pause("default", why="a test")
    handle = await producer.enqueue(note.of("a"))
    async with serve(note) as worker:
        await eventually(lambda: worker.fetcher._idle is not None)
        await producer.pauses.resume("default")
        await handle.result(timeout=14)


async def test_a_paused_kind_rests_while_others_go_on(serve: Serve, producer: Producer) -> None:
    await producer.pauses.pause(kind="note", why="a test")
    rests = [await producer.enqueue(note.of(f"n{n}")) for n in range(20)]
    goes_on = await producer.enqueue(other.of("o"))
    async with serve(note, other, max_jobs=1):
        await goes_on.result(timeout=20)
        assert started == ["o"]
        [ended_pause] = await producer.pauses.resume(kind="note")
        assert (ended_pause.queue, ended_pause.kind, ended_pause.why) == ("default", "note", "a test")
        for handle in rests:
            await handle.result(timeout=20)
    assert started == ["o", *(f"n{n}" for n in range(20))]


@pytest.mark.parametrize("kind", [None, "note"], ids=["queue", "kind"])
async def test_a_pause_ends_by_itself_when_its_time_is_over(
    serve: Serve, producer: Producer, kind: str | None
) -> None:
    """To the moment, though the worker could sleep for 15 s."""
    starts: list[datetime] = []

    @job("note")
    async def note(ctx: JobContext) -> None:
        starts.append(datetime.now(UTC))

    handle = await producer.enqueue(note.of())
    [pause] = await producer.pauses.pause("default", kind=kind, why="a test", until=timedelta(seconds=2))
    assert pause.until is not None
    async with serve(note) as worker:
        await eventually(lambda: worker.fetcher._idle is not None or starts)
        await handle.result(timeout=20)
    [start] = starts
    assert timedelta(0) <= start - pause.until < timedelta(seconds=10)
    assert list(await producer.pauses.list()) == []


async def test_an_idle_worker_learns_of_a_pause_that_begins_and_ends_while_it_sleeps(
    serve: Serve, producer: Producer
) -> None:
    async with serve(note) as worker:
        await eventually(lambda: worker.fetcher._idle is not None)
        await producer.pauses.pause("default", why="a test", until=timedelta(seconds=1))
        handle = await producer.enqueue(note.of("a"))
        await handle.result(timeout=14)


async def test_what_runs_finishes(serve: Serve, producer: Producer) -> None:
    async with serve(hold):
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        await producer.pauses.pause("default", why="a test")
        await always(lambda: not ended, during=LONGER_THAN_A_TICK)
        gate.set()
        await handle.result(timeout=20)
    assert (started, ended) == (["held"], ["held"])


@pytest.mark.parametrize("kind", [None, "hold"], ids=["queue", "kind"])
async def test_with_now_what_runs_goes_back_unharmed(
    serve: Serve, producer: Producer, client: Redis, kind: str | None
) -> None:
    """It has but one attempt, and keeps it."""
    async with serve(hold, note) as worker:
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        await producer.pauses.pause("default", kind=kind, why="a test", now=True)
        await eventually(lambda: worker.journal.released == 1)
        assert await handle.status() is State.READY
        [failure] = await failures_of(client, handle.job_id)
        assert (failure.cause, failure.spent) == (Cause.INTERRUPTION, 0)
        await always(lambda: started == ["held"], during=0.3)
        gate.set()
        await producer.pauses.resume("default", kind=kind)
        await handle.result(timeout=20)
    assert (started, ended) == (["held", "held"], ["held"])


async def test_now_stops_jobs_of_the_paused_kind_only(serve: Serve, producer: Producer) -> None:
    @job("hold.too")
    async def hold_too(ctx: JobContext) -> None:
        started.append("too")
        await gate.wait()

    async with serve(hold, hold_too) as worker:
        await producer.enqueue(hold.of())
        goes_on = await producer.enqueue(hold_too.of())
        await eventually(lambda: len(started) == 2)
        await producer.pauses.pause(kind="hold", why="a test", now=True)
        await eventually(lambda: worker.journal.released == 1)
        gate.set()
        await goes_on.result(timeout=20)
    assert worker.journal.released == 1


async def test_cancellations_are_heard_while_something_is_paused(serve: Serve, producer: Producer) -> None:
    """Both lie where the heartbeat looks by one command."""
    async with serve(hold) as worker:
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        await producer.pauses.pause(kind="note", why="a test")
        await handle.cancel()
        await eventually(lambda: worker.journal.failed == 1)
    assert ended == []


async def test_leases_are_renewed_though_the_pauses_cannot_be_read(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    await client.set(queue_keys("default").pause, "garbage")
    async with serve(hold, settings={"lease": 2}) as worker:
        handle = await producer.enqueue(hold.of())
        await eventually(lambda: started)
        await always(lambda: worker.runs, during=3.0)
        assert await handle.status() is State.RUNNING
        assert (await producer.pauses.list(), (await handle.why()).state) == ([], State.RUNNING)
        gate.set()
        await handle.result(timeout=20)
    assert started == ["held"]


async def test_a_pause_outlives_the_restart_of_its_workers(serve: Serve, producer: Producer) -> None:
    async with serve(note, other):
        await producer.pauses.pause(kind="note", why="a test")
        await producer.enqueue(note.of("n"))
        await (await producer.enqueue(other.of("o"))).result(timeout=20)
    async with serve(note, other):
        await (await producer.enqueue(other.of("p"))).result(timeout=20)
        assert started == ["o", "p"]
        await producer.pauses.resume(kind="note")
        await eventually(lambda: started == ["o", "p", "n"])


async def test_a_burst_worker_does_not_wait_for_what_is_paused(redis_url: str, producer: Producer) -> None:
    await producer.pauses.pause(kind="note", why="a test")
    await producer.enqueue(note.of("n"))
    await producer.enqueue(other.of("o"))
    worker = Worker([note, other], burst=True, handle_signals=False, settings=settings_for(redis_url))
    await asyncio.wait_for(worker.async_run(), 20)
    await worker.close()
    assert started == ["o"]


async def test_ten_thousand_jobs_that_were_put_aside_all_come_back(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    await producer.pauses.pause(kind="note", why="a test")
    names = [f"n{n}" for n in range(10_000)]
    await producer.enqueue_many([Order(note.of(name)) for name in names])
    parked = queue_keys("default").parked("note")
    async with serve(note, other) as worker:
        await eventually(lambda: worker.fetcher._idle is not None)
        await (await producer.enqueue(other.of("o"))).result(timeout=30)
        await eventually(lambda: _has(client, parked, 10_000), within=60)
        assert started == ["o"]
        await producer.pauses.resume(kind="note")
        await eventually(lambda: worker.journal.complete == 10_001, within=60)
    assert sorted(started) == sorted(["o", *names])
    assert await waiting(client) == 0
    assert not await client.exists(parked, queue_keys("default").pause)


async def _has(client: Redis, zset: str, number: int) -> bool:
    return bool(await client.zcard(zset) == number)


async def test_nothing_is_lost_or_run_twice_while_pauses_come_and_go(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """Claims, pauses, resumes and ends of pauses, all at once, and more than one worker."""
    names = [f"{n}" for n in range(1_000)]
    orders = [Order(kind.of(name)) for name in names for kind in (note, other)]
    async with serve(note, other) as one, serve(note, other) as two:
        writing = asyncio.create_task(producer.enqueue_many(orders))
        for turn in range(30):
            kind = (None, "note", "other")[turn % 3]
            until = timedelta(milliseconds=20) if turn % 2 else None
            await producer.pauses.pause("default", kind=kind, why="a race", until=until)
            if until is None:
                await producer.pauses.resume("default", kind=kind)
        await writing
        await eventually(lambda: one.journal.complete + two.journal.complete == 2_000)
    assert sorted(started) == sorted(names * 2)
    assert (await stats(client))["started"] == 2_000
    assert await waiting(client) == 0
