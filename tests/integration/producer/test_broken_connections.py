"""Enqueueing over a network that fails: each job once, or an error that says what may have happened."""

import asyncio

import pytest
from redis.asyncio import Redis

from monarq.jobs.errors import StoreUnavailable
from monarq.producer import Order, Producer, SyncProducer
from tests.proxy import Proxy
from tests.servers import free_port

from .kinds import add

FAULTS = ["drop_reply", "cut_reply"]


@pytest.fixture(autouse=True)
def _patience_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer tries, sooner."""
    monkeypatch.setattr("monarq.producer.retrying._CEILINGS", (0.02, 0.04))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_lost_reply_leaves_one_job(proxy: Proxy, client: Redis, fault: str, nth: int) -> None:
    """Whichever reply it is: to the greeting, to the list of queues, or to the script."""
    async with Producer.connect(proxy.url) as producer:
        getattr(proxy, fault)(nth)
        handle = await producer.enqueue(add.of(1))
        assert handle.created
    assert await client.zrange("arq:queue", 0, -1) == [handle.job_id.encode()]


@pytest.mark.parametrize("fault", FAULTS)
async def test_many_over_lost_replies_are_each_there_once(proxy: Proxy, client: Redis, fault: str) -> None:
    async with Producer.connect(proxy.url) as producer:
        await producer.enqueue(add.of(-1))
        for nth in (1, 4):
            getattr(proxy, fault)(nth)
        handles = await producer.enqueue_many(Order(add.of(number)) for number in range(2_000))
        assert len({handle.job_id for handle in handles}) == 2_000  # type: ignore[union-attr]
    assert await client.zcard("arq:queue") == 2_001


@pytest.mark.parametrize("fault", FAULTS)
def test_the_sync_producer_survives_a_lost_reply_too(redis_url: str, fault: str) -> None:
    async def proxied() -> tuple[str, bool]:
        async with Proxy(redis_url) as proxy:
            with SyncProducer.connect(proxy.url) as producer:
                await asyncio.to_thread(producer.enqueue, add.of(0))
                getattr(proxy, fault)()
                handle = await asyncio.to_thread(producer.enqueue, add.of(1))
                return handle.job_id, handle.created

    job_id, created = asyncio.run(proxied())
    assert created
    with SyncProducer.connect(redis_url) as producer:
        assert producer.job(job_id).status() == "ready"


async def test_connections_that_break_at_any_time_leave_each_job_once(proxy: Proxy, client: Redis) -> None:
    async with Producer.connect(proxy.url) as producer:
        await producer.enqueue(add.of(-1), job_id="first")

        async def cut() -> None:
            for _ in range(10):
                await asyncio.sleep(0.02)
                await proxy.cut()

        cutting = asyncio.create_task(cut())
        asked, handles = 0, []
        while not cutting.done():
            calls = [producer.enqueue(add.of(asked + n), job_id=f"j{asked + n}") for n in range(50)]
            handles += await asyncio.gather(*calls, return_exceptions=True)
            asked += 50
        await cutting
        handles.append(await producer.enqueue(add.of(asked), job_id=f"j{asked}"))
        asked += 1
    failed = [handle for handle in handles if isinstance(handle, BaseException)]
    assert all(isinstance(error, StoreUnavailable) for error in failed)
    accepted = asked - len(failed)
    assert accepted <= await client.zcard("arq:queue") - 1 <= asked
    assert accepted > 0


async def test_nobody_there_says_that_the_job_may_exist() -> None:
    async with Producer.connect(f"redis://127.0.0.1:{free_port()}/0") as producer:
        with pytest.raises(StoreUnavailable, match="may exist"):
            await producer.enqueue(add.of(1), job_id="order-7")


def test_nobody_there_says_so_to_the_sync_producer_too() -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    with SyncProducer.connect(url) as producer, pytest.raises(StoreUnavailable, match="may exist"):
        producer.enqueue(add.of(1), job_id="order-7")
