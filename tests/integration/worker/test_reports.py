"""What a worker says of itself, and what it does when somebody tells it to drain."""

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from arq import cron
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.state import State
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import ORDER, WORKER, WORKERS
from monarq.jobs.store.orders import DrainOrder, order_drain
from monarq.jobs.store.workers import AttemptsReport, LiveWorker, live_workers
from monarq.producer import Producer
from monarq.worker import heartbeat
from tests.servers import free_port

from .conftest import Serve
from .deadlines import eventually

released = asyncio.Event()


@job("report.hold", timeout=90)
async def hold(ctx: JobContext) -> str:
    await released.wait()
    return "held"


async def digest(ctx: object) -> None:
    """A cron job."""


@pytest.fixture(autouse=True)
def _report_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "REPORT_EVERY", 0.0)
    monkeypatch.setattr(heartbeat, "REPORT_EVERY_IDLE", 0.0)
    monkeypatch.setattr(heartbeat, "TICK", 0.05)
    globals()["released"] = asyncio.Event()


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    connection = Link(from_url(redis_url))
    yield connection
    await connection.close()


async def the_worker(link: Link) -> LiveWorker | None:
    found = await live_workers(link)
    return found[0] if found else None


async def test_a_worker_says_how_it_is_and_what_it_runs(serve: Serve, producer: Producer, link: Link) -> None:
    async def runs_it() -> LiveWorker | None:
        told = await the_worker(link)
        return told if told is not None and told.runs and told.busy else None

    async with serve(hold, max_jobs=3, cron_jobs=[cron(digest, hour=9, minute=30)]):
        handle = await producer.enqueue(hold.of())
        told: LiveWorker = await eventually(runs_it)
        released.set()
        await handle.result(timeout=20)
    [run], [due] = told.runs, told.cron
    assert (run.job_id, run.kind, run.queue, run.attempt) == (handle.job_id, "report.hold", "default", 1)
    assert run.age_ms >= 0
    assert run.timeout_ms == 90_000
    assert (due.kind, due.times) == ("cron:digest", "09:30")
    assert due.next_due_at is not None
    assert (told.slots, told.busy, told.is_live) == (3, 1, True)
    assert told.version
    assert told.python.startswith("3.")
    assert told.rss_bytes > 1_000_000
    assert 0 <= told.reported_ago_ms < 20_000


async def test_a_worker_that_counts_says_what_it_has_done_lately(
    serve: Serve, producer: Producer, link: Link
) -> None:
    async def tells_it() -> LiveWorker | None:
        told = await the_worker(link)
        return told if told is not None and told.attempts else None

    async with serve(hold, settings={"metrics_port": free_port()}):
        released.set()
        await (await producer.enqueue(hold.of())).result(timeout=20)
        told: LiveWorker = await eventually(tells_it)
    assert told.attempts == (AttemptsReport(queue="default", kind="report.hold", ended=1, failed=0),)
    [start] = told.starts
    assert (start.queue, start.number, start.in_time, start.number_lately) == ("default", 1, 1, 1)


async def test_how_long_the_loop_was_held_up_is_told_once(
    serve: Serve, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "TICK", 60.0)  # so that there are no other reports than these two
    async with serve(hold, settings={"lease": 600}) as worker:
        worker.watchdog._largest_lag = 30.0
        for is_told in (True, False):
            await asyncio.to_thread(worker.heartbeat._tell_and_ask, 30.0)
            told = await the_worker(link)
            assert told is not None
            assert (told.loop_lag_ms >= 30_000) is is_told


async def test_a_worker_that_is_told_to_be_quiet_serves_no_queue_any_more(serve: Serve, link: Link) -> None:
    """Else jobs wait for it, and everything says that somebody listens."""

    async def serves() -> bool:
        told = await the_worker(link)
        return told is not None and told.serves("default")

    async def is_leaving() -> bool:
        told = await the_worker(link)
        return told is not None and told.stopping

    async with serve(hold) as worker:
        await eventually(serves)
        worker._quiet(signal.SIGUSR1)
        await eventually(is_leaving)
        assert not await serves()


async def test_a_worker_that_has_ended_is_in_no_list(serve: Serve, link: Link) -> None:
    async with serve(hold):
        await eventually(lambda: the_worker(link))
        assert await link.call("ZCARD", WORKERS) == 1
    assert await link.call("EXISTS", WORKERS) == 0
    assert await live_workers(link) == []


async def test_a_worker_that_was_killed_leaves_the_list_with_the_next_report_of_another(
    serve: Serve, link: Link
) -> None:
    async def is_alone() -> bool:
        listed = await link.call("ZRANGE", WORKERS, 0, -1)
        return bool(listed) and listed == [one.worker.encode() for one in await live_workers(link)]

    await link.call("ZADD", WORKERS, 1, "killed")
    async with serve(hold):
        await eventually(is_alone)


async def test_a_worker_that_is_told_to_drain_finishes_what_runs_and_ends(
    serve: Serve, producer: Producer, link: Link
) -> None:
    async with serve(hold, settings={"drain_timeout": timedelta(seconds=20)}) as worker:
        first = await producer.enqueue(hold.of())
        await eventually(lambda: worker.runs)
        await order_drain(link, worker.worker_id, DrainOrder(by="ann", why="a test"))
        await eventually(worker._stopping.is_set)
        second = await producer.enqueue(hold.of())
        await order_drain(link, worker.worker_id, DrainOrder(by="bob", why="a second time hurries nothing"))
        assert await first.status() is State.RUNNING
        released.set()
        assert await first.result(timeout=20) == "held"
    assert await second.status() is State.READY
    assert worker.exit_code == 0
    assert await link.call("EXISTS", ORDER + worker.worker_id, WORKER + worker.worker_id) == 0


@pytest.mark.parametrize("record", ["", "{", "[]", '{"by":"ann"}'])
async def test_an_order_that_cannot_be_read_is_none(serve: Serve, link: Link, record: str) -> None:
    async with serve(hold) as worker:
        await link.call("SET", ORDER + worker.worker_id, record)
        await link.call("DEL", WORKERS)
        await eventually(lambda: the_worker(link))
        await link.call("DEL", WORKERS)
        await eventually(lambda: the_worker(link))
        assert not worker._stopping.is_set()


async def test_a_full_server_takes_the_report_of_a_worker(serve: Serve, client: Redis) -> None:
    """Else all of them would seem dead, just when somebody looks."""
    async with serve(hold) as worker:
        await eventually(lambda: client.zscore(WORKERS, worker.worker_id))
        await client.config_set("maxmemory", 1)
        try:
            await client.delete(WORKER + worker.worker_id, WORKERS)
            await eventually(lambda: client.exists(WORKER + worker.worker_id))
            await eventually(lambda: client.zscore(WORKERS, worker.worker_id))
        finally:
            await client.config_set("maxmemory", 0)
