"""Burst mode: run what waits, then stop."""

import pytest
from arq.connections import ArqRedis
from arq.worker import FailedJobs
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed
from monarq.producer import Producer
from monarq.worker import Worker

from .stage import settings_for, waiting

ran: list[int] = []


@pytest.fixture(autouse=True)
def _none_ran() -> None:
    ran.clear()


@job("count")
async def count(ctx: JobContext, number: int) -> int:
    ran.append(number)
    return number


@job("fail", max_attempts=2, backoff=fixed(0.05))
async def fail(ctx: JobContext) -> None:
    raise ValueError("always")


def burst(redis_url: str, *functions: object, **options: object) -> Worker:
    options = {"burst": True, "handle_signals": False, **options}
    return Worker(functions, settings=settings_for(redis_url), **options)  # type: ignore[arg-type]


async def test_burst_ends_when_nothing_waits(redis_url: str, producer: Producer, client: Redis) -> None:
    await producer.enqueue_many(count.of(number) for number in range(250))
    worker = burst(redis_url, count, max_jobs=20)
    await worker.async_run()
    await worker.close()
    assert sorted(ran) == list(range(250))
    assert worker.journal.complete == 250
    assert await waiting(client) == 0


async def test_burst_on_an_empty_queue_ends_at_once(redis_url: str) -> None:
    worker = burst(redis_url, count)
    await worker.async_run()
    await worker.close()
    assert worker.exit_code == 0


async def test_burst_waits_for_retries_and_for_what_is_scheduled(redis_url: str, producer: Producer) -> None:
    """As arq does: until no job is left in the queue."""
    await producer.enqueue(fail.of())
    await producer.enqueue(count.of(1), delay=0.4)
    worker = burst(redis_url, count, fail)
    await worker.async_run()
    await worker.close()
    assert ran == [1]
    assert (worker.journal.failed, worker.journal.retried) == (1, 1)


async def test_max_burst_jobs_is_the_most_that_run(redis_url: str, producer: Producer, client: Redis) -> None:
    await producer.enqueue_many(count.of(number) for number in range(50))
    worker = burst(redis_url, count, max_burst_jobs=7, max_jobs=4)
    await worker.async_run()
    await worker.close()
    assert len(ran) == 7
    assert await waiting(client) == 43
    assert await client.zcard("monarq:running:default") == 0


async def test_run_check_counts_what_ran(redis_url: str, pool: ArqRedis) -> None:
    for number in range(3):
        await pool.enqueue_job("count", number)
    worker = burst(redis_url, count)
    assert await worker.run_check() == 3
    await worker.close()


async def test_run_check_raises_for_failures(redis_url: str, pool: ArqRedis) -> None:
    await pool.enqueue_job("count", 1)
    await pool.enqueue_job("fail")
    worker = burst(redis_url, count, fail)
    with pytest.raises(FailedJobs) as failed:
        await worker.run_check()
    await worker.close()
    assert failed.value.count == 1
    assert len(failed.value.job_results) == 1


async def test_run_check_takes_max_burst_jobs(redis_url: str, pool: ArqRedis) -> None:
    for number in range(5):
        await pool.enqueue_job("count", number)
    worker = burst(redis_url, count)
    assert await worker.run_check(max_burst_jobs=2) == 2
    await worker.close()
    assert len(ran) == 2
