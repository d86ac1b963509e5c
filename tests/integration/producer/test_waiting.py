"""Waiting for results: woken by the end of the job, not by looking again and again."""

import asyncio
import time

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.errors import JobCancelled, JobFailed, JobNotFound
from monarq.producer import Producer, SyncProducer
from tests.integration.worker.deadlines import eventually
from tests.integration.worker.stage import running, settings_for
from tests.proxy import Proxy

from .kinds import add


@pytest.fixture(autouse=True)
def _nobody_looks_by_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not woken waits for as long as was asked for."""
    monkeypatch.setattr("monarq.producer.handle._LOOK_AGAIN", 60.0)


@job("refuse", max_attempts=1)
async def refuse(ctx: JobContext) -> int:
    raise ValueError("no")


async def test_who_waits_is_woken_and_asks_no_more_meanwhile(
    redis_url: str, producer: Producer, client: Redis
) -> None:
    handle = await producer.enqueue(add.of(1))
    waits = asyncio.create_task(handle.result(timeout=20))
    await eventually(lambda: client.hexists("monarq:waiters:default", handle.job_id))
    before = (await client.info("commandstats")).get("cmdstat_evalsha", {}).get("calls", 0)
    await asyncio.sleep(1.0)  # the time in which nothing is to be asked
    assert (await client.info("commandstats"))["cmdstat_evalsha"]["calls"] == before
    async with running([add], settings_for(redis_url)):
        assert await waits == 2
    assert await client.exists("monarq:waiters:default") == 0


async def test_many_wait_for_one_job_and_one_waits_for_many(redis_url: str, producer: Producer) -> None:
    async with Producer.connect(redis_url) as other:
        handles = [await producer.enqueue(add.of(number)) for number in range(50)]
        elsewhere = [other.job(handle.job_id, of=add) for handle in handles]
        waits = [
            asyncio.create_task(handle.result(timeout=20)) for handle in [*handles, *elsewhere, *handles]
        ]
        async with running([add], settings_for(redis_url)):
            assert await asyncio.gather(*waits) == [number + 1 for number in range(50)] * 3


async def test_a_failure_is_raised_with_all_that_is_known(redis_url: str, producer: Producer) -> None:
    async with running([refuse], settings_for(redis_url)):
        with pytest.raises(JobFailed) as failed:
            await (await producer.enqueue(refuse.of())).result(timeout=20)
    assert (failed.value.kind, failed.value.error_type) == ("refuse", "ValueError")
    assert 'raise ValueError("no")' in failed.value.traceback_text


async def test_a_timeout_is_a_timeout_and_the_job_stays(producer: Producer) -> None:
    handle = await producer.enqueue(add.of(1))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await handle.result(timeout=0.2)
    assert time.monotonic() - started < 20
    assert await handle.status() == "ready"


async def test_a_job_that_never_was_is_not_waited_for(producer: Producer) -> None:
    with pytest.raises(JobNotFound):
        await producer.job("nobody").result(timeout=20)


async def test_cancelling_wakes_who_waits(producer: Producer, client: Redis) -> None:
    handle = await producer.enqueue(add.of(1))
    waits = asyncio.create_task(handle.result(timeout=20))
    await eventually(lambda: client.hexists("monarq:waiters:default", handle.job_id))
    assert await handle.cancel() == "cancelled"
    with pytest.raises(JobCancelled):
        await asyncio.wait_for(waits, timeout=20)


async def test_a_wait_outlives_its_broken_subscription(redis_url: str, proxy: Proxy, client: Redis) -> None:
    async with Producer.connect(proxy.url) as producer:
        handle = await producer.enqueue(add.of(1))
        waits = asyncio.create_task(handle.result(timeout=20))
        await eventually(lambda: client.hexists("monarq:waiters:default", handle.job_id))
        for _ in range(3):
            await proxy.cut()
            await eventually(lambda: proxy.open > 0)
        async with running([add], settings_for(redis_url)):
            assert await asyncio.wait_for(waits, timeout=20) == 2


async def test_the_sync_handle_waits_too(redis_url: str, sync_producer: SyncProducer) -> None:
    good = sync_producer.enqueue(add.of(1))
    bad = sync_producer.enqueue(refuse.of())
    never = sync_producer.enqueue(add.of(2), delay=60)
    async with running([add, refuse], settings_for(redis_url)):
        assert await asyncio.to_thread(good.result, 20) == 2
        with pytest.raises(JobFailed):
            await asyncio.to_thread(bad.result, 20)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(never.result, 0.2)
