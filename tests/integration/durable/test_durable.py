"""A durable job from its claim to its end, in both servers."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
import structlog
from redis.asyncio import Redis

from monarq.jobs import Cancel, JobContext, State, job
from monarq.jobs.errors import JobCancelled, JobExpired, JobFailed
from monarq.jobs.retry import fixed
from monarq.producer import Producer
from tests.integration.worker.deadlines import always, eventually
from tests.integration.worker.stage import stats, waiting

from .stage import QUEUE, Books, Serve, relayed


@job("double", durable=True)
async def double(ctx: JobContext, number: int) -> int:
    return 2 * number


@job("doomed", durable=True, max_attempts=2, backoff=fixed(0))
async def doomed(ctx: JobContext) -> None:
    raise ValueError("no")


@job("obsolete", durable=True)
async def obsolete(ctx: JobContext) -> None:
    raise Cancel("paid meanwhile")


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
    serve: Serve, producer: Producer, client: Redis, books: Books
) -> None:
    [handle] = await relayed(client, producer, double.of(1), expires_in=0.001)
    await eventually(lambda: client.zscore(QUEUE.ranks[2], handle.job_id))
    async with serve(double):
        with pytest.raises(JobExpired):
            await handle.result(timeout=20)
        assert await books.state(handle.job_id) == "expired"
