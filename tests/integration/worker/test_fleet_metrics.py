"""What a worker does for the gauges of the fleet: heartbeats, schedules, also while it is blocked."""

import asyncio
import signal
import threading
import time
from typing import Any

import httpx
import pytest
from arq.cron import cron
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.store.heartbeats import KIND
from monarq.jobs.store.keys import CRON_SUCCESSES, EXPORTER, HEARTBEATS, RESULT
from monarq.producer import Producer
from monarq.worker import Worker
from tests.scrapes import Samples, samples_of
from tests.servers import free_port

from .conftest import Serve
from .deadlines import eventually
from .stage import stats, waiting

HEARTBEAT = ("monarq_heartbeat_job_timestamp_seconds", frozenset({("queue", "default")}))


@job("work")
async def work(ctx: JobContext) -> None:
    """Nothing."""


@pytest.fixture
def options() -> dict[str, Any]:
    return {"settings": {"metrics_port": free_port()}}


async def scrape(worker: Worker) -> Samples:
    answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{worker.vitals.port}/metrics")
    return samples_of(answer.text)


async def test_a_heartbeat_goes_through_each_queue_at_most_once_a_minute(
    serve: Serve, client: Redis, options: dict[str, Any]
) -> None:
    async with serve(work, **options) as worker:
        began = time.time()
        await eventually(lambda: _has(worker, HEARTBEAT))
        samples = await scrape(worker)
        assert began - 1 < samples[HEARTBEAT] < time.time() + 1
        await scrape(worker)
        assert (await stats(client))["enqueued"] == 1
        assert await waiting(client) == 0
        assert not await client.exists(RESULT + f"{KIND}:default")
        counted = {dict(labels).get("kind") for _, labels in samples}
        assert KIND not in counted, "it has a metric of its own"
        # a minute later, and another process tells of the fleet now
        await client.hset(HEARTBEATS, "default", round((began - 61) * 1000))
        await client.delete(EXPORTER)
        async with serve(work, settings={"metrics_port": free_port()}) as other:
            await scrape(other)
            await eventually(lambda: _enqueued(client, 2))


async def _has(worker: Worker, key: Any) -> bool:
    return key in await scrape(worker)


async def _enqueued(client: Redis, count: int) -> bool:
    return (await stats(client))["enqueued"] == count


async def test_the_fleet_is_told_while_a_handler_blocks_the_loop(
    serve: Serve, producer: Producer, options: dict[str, Any]
) -> None:
    is_blocked, was_told = threading.Event(), threading.Event()

    @job("block")
    async def block(ctx: JobContext) -> None:
        is_blocked.set()
        was_told.wait(10)

    async with serve(block, **options) as worker:

        def ask() -> Samples:
            is_blocked.wait(10)
            found = samples_of(httpx.get(f"http://127.0.0.1:{worker.vitals.port}/metrics").text)
            was_told.set()
            return found

        asking = asyncio.create_task(asyncio.to_thread(ask))
        await producer.enqueue(block.of())
        samples = await asking
    running = {"queue": "default", "priority": "normal", "state": "running"}
    assert samples["monarq_queue_jobs", frozenset(running.items())] == 1


async def test_the_success_of_a_cron_job_is_written_down_and_told(
    serve: Serve, client: Redis, options: dict[str, Any]
) -> None:
    async def tick(ctx: dict[Any, Any]) -> None:
        """Nothing."""

    jobs = [cron(tick, name="tick", minute=0, run_at_startup=True)]
    began = time.time()
    async with serve(cron_jobs=jobs, **options) as worker:
        await eventually(lambda: client.hexists(CRON_SUCCESSES, "tick"))
        assert began - 1 < int(await client.hget(CRON_SUCCESSES, "tick") or 0) / 1000 < time.time() + 1
        schedule = frozenset({("schedule", "tick")})
        await eventually(lambda: _has(worker, ("monarq_schedule_interval_seconds", schedule)))
        samples = await scrape(worker)
    assert samples["monarq_schedule_last_success_timestamp_seconds", schedule] > began - 1
    assert 3_600 <= samples["monarq_schedule_interval_seconds", schedule] <= 7_200


async def test_a_cron_job_that_ends_with_its_worker_is_written_down(
    serve: Serve, client: Redis, options: dict[str, Any]
) -> None:
    """Nobody has counted it yet when the worker is told to stop; the next one may be a month away."""

    async def tick(ctx: dict[Any, Any]) -> None:
        worker.handle_sig(signal.SIGTERM)

    jobs = [cron(tick, name="tick", month=1, day=1, hour=0, minute=0, run_at_startup=True)]
    async with serve(cron_jobs=jobs, **options) as worker:
        await eventually(lambda: worker.journal.complete == 1)
    assert await client.hexists(CRON_SUCCESSES, "tick")


async def test_calls_that_fail_are_counted_by_what_they_were_for(
    serve: Serve, options: dict[str, Any]
) -> None:
    async with serve(work, **options) as worker:
        errors = "monarq_worker_redis_errors_total"
        before = await scrape(worker)
        assert {before[errors, frozenset({("op", op)})] for op in ("claim", "settle", "renew")} == {0}
        worker.heartbeat.outage.note(TimeoutError())
        after = await scrape(worker)
        assert after[errors, frozenset({("op", "renew")})] == 1
        await eventually(lambda: _has_polled(worker))


async def _has_polled(worker: Worker) -> bool:
    return (await scrape(worker))["monarq_worker_poll_seconds_count", frozenset()] >= 1
