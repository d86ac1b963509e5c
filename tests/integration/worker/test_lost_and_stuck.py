"""What a worker's metrics say of jobs whose workers were lost, and of handlers that do not stop."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import FENCE, queue_keys
from monarq.jobs.store.verbs import claim
from monarq.producer import Producer
from monarq.worker import Worker
from tests.scrapes import samples_of
from tests.servers import free_port

from .conftest import Serve
from .deadlines import eventually

PAIR = {"queue": "default", "kind": "hold"}


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"metrics_port": free_port(), "heartbeat_jobs": False, "cancel_grace": timedelta(seconds=0.1)}


class Gate:
    """A kind of which every job waits until it is open."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()

        @job("hold", max_attempts=1)
        async def hold(ctx: JobContext) -> None:
            await self.is_open.wait()

        self.handler = hold


@pytest.fixture
def gate() -> Gate:
    return Gate()


async def told(worker: Worker, name: str, **labels: str) -> float:
    """One sample of a scrape; 0 if it is not there."""
    answer = await asyncio.to_thread(httpx.get, f"http://127.0.0.1:{worker.vitals.port}/metrics")
    return samples_of(answer.text).get((name, frozenset(labels.items())), 0.0)


async def ends(worker: Worker, outcome: str) -> float:
    return await told(worker, "monarq_job_attempts_finished_total", **PAIR, outcome=outcome)


async def starts(worker: Worker) -> float:
    return await told(worker, "monarq_job_attempts_started_total", **PAIR)


def is_one(ask: Callable[[], Any]) -> Callable[[], Any]:
    async def look() -> bool:
        return bool(await ask() == 1)

    return look


async def claim_and_die(url: str) -> None:
    """What a worker does that dies with a job."""
    link = Link(from_url(url))
    nothing = timedelta(milliseconds=1)
    request = claim(
        [queue_keys("default")], worker="gone", nonce="1", limit=1, lease=nothing, ageing=timedelta(minutes=1)
    )
    assert len((await execute(link, request)).jobs) == 1
    await link.close()


async def test_a_job_of_a_dead_worker_is_told_as_lost_by_the_one_that_takes_it_over(
    serve: Serve, producer: Producer, redis_url: str, settings: dict[str, Any], gate: Gate
) -> None:
    handle = await producer.enqueue(gate.handler.of())
    await claim_and_die(redis_url)
    async with serve(gate.handler, settings=settings) as worker:
        await eventually(is_one(lambda: ends(worker, "lost")), every=0.05)
        assert await starts(worker) == 1, "the start of the dead worker was its own"
        gate.is_open.set()
        await handle.result(timeout=20)
        assert await ends(worker, "lost") == 1, "a counter never falls"
        await eventually(is_one(lambda: ends(worker, "succeeded")), every=0.05)
        assert (await ends(worker, "lost"), await starts(worker)) == (1, 1)


async def test_the_outcome_of_a_stale_worker_is_not_one_more_end(
    serve: Serve, producer: Producer, client: Redis, settings: dict[str, Any], gate: Gate
) -> None:
    handle = await producer.enqueue(gate.handler.of())
    async with serve(gate.handler, settings=settings) as worker:
        await eventually(lambda: worker.runs)
        await client.set(FENCE + handle.job_id, "another:2")
        gate.is_open.set()
        refused = "monarq_job_settles_refused_total"
        await eventually(is_one(lambda: told(worker, refused, queue="default")), every=0.05)
        assert await starts(worker) == 1
        assert await ends(worker, "lost") + await ends(worker, "succeeded") == 0


async def test_starts_do_not_become_fewer_when_a_job_ends(
    serve: Serve, producer: Producer, settings: dict[str, Any], gate: Gate
) -> None:
    async with serve(gate.handler, settings=settings) as worker:
        handle = await producer.enqueue(gate.handler.of())
        await eventually(is_one(lambda: starts(worker)), every=0.05)
        gate.is_open.set()
        await handle.result(timeout=20)
        assert await starts(worker) == 1


async def test_a_handler_that_does_not_stop_keeps_its_slot_and_is_overdue(
    serve: Serve, producer: Producer, settings: dict[str, Any], gate: Gate
) -> None:
    @job("stubborn", max_attempts=1, timeout=0.1)
    async def stubborn(ctx: JobContext) -> None:
        while not gate.is_open.is_set():
            try:
                await gate.is_open.wait()
            except asyncio.CancelledError:
                pass

    async with serve(stubborn, settings=settings) as worker:
        await producer.enqueue(stubborn.of())
        await eventually(
            is_one(lambda: told(worker, "monarq_worker_overdue_jobs", queue="default")), every=0.05
        )
        await eventually(lambda: not worker.runs)
        assert await told(worker, "monarq_worker_slots_busy", queue="default") == 1
        assert await told(worker, "monarq_worker_overdue_jobs", queue="default") == 1
        assert await told(worker, "monarq_worker_running_job_max_age_seconds", queue="default") > 0.2
        gate.is_open.set()
        await eventually(
            lambda: _is_none(told(worker, "monarq_worker_slots_busy", queue="default")), every=0.05
        )


async def _is_none(value: Any) -> bool:
    return bool(await value == 0)
