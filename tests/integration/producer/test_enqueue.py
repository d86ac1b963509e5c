"""What an enqueue leaves in the store: one job per id, whole, or nothing."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta

import pytest
from pydantic_core import from_json
from redis.asyncio import Redis

from monarq.jobs import Priority, State
from monarq.jobs.errors import Conflict, InvalidArguments, PayloadTooLarge
from monarq.producer import JobHandle, Order, Producer, SyncProducer

from .kinds import add, subtract


async def jobs_in(client: Redis) -> int:
    return len(await client.keys("arq:job:*"))


async def test_a_job_has_an_envelope_without_a_time_to_live(producer: Producer, client: Redis) -> None:
    handle = await producer.enqueue(add.of(2, right=3))
    document = from_json(await client.get(f"arq:job:{handle.job_id}"))
    assert (document["f"], document["k"]) == ("add", {"left": 2, "right": 3})
    assert await client.ttl(f"arq:job:{handle.job_id}") == -1
    assert await client.smembers("monarq:queues") == {b"default"}
    assert await handle.status() is State.READY


async def test_the_same_id_again_is_the_same_job(producer: Producer, client: Redis) -> None:
    first = await producer.enqueue(add.of(1), job_id="order-7")
    again = await producer.enqueue(add.of(1), job_id="order-7", delay=60, priority="high")
    assert (first.created, again.created) == (True, False)
    assert await jobs_in(client) == 1
    assert await first.status() is State.READY


@pytest.mark.parametrize("other", [add.of(2), subtract.of(1)], ids=["other arguments", "another kind"])
async def test_the_same_id_with_other_content_is_a_conflict(
    producer: Producer, client: Redis, other: object
) -> None:
    await producer.enqueue(add.of(1), job_id="order-7")
    body = await client.get("arq:job:order-7")
    with pytest.raises(Conflict, match="order-7"):
        await producer.enqueue(other, job_id="order-7")  # type: ignore[arg-type]
    assert await client.get("arq:job:order-7") == body


async def test_one_id_asked_for_by_many_at_once_is_created_once(redis_url: str, client: Redis) -> None:
    """From several producers, in one tick and apart."""
    producers = [Producer.connect(redis_url) for _ in range(5)]
    handles = await asyncio.gather(
        *(producer.enqueue(add.of(1), job_id="one") for producer in producers for _ in range(20))
    )
    assert [handle.created for handle in handles].count(True) == 1
    assert await jobs_in(client) == 1
    assert await client.zcard("arq:queue") == 1
    await asyncio.gather(*(producer.close() for producer in producers))


async def test_arguments_that_do_not_fit_write_nothing(producer: Producer, client: Redis) -> None:
    with pytest.raises(InvalidArguments, match="left"):
        await producer.enqueue(add.of("two"))  # type: ignore[arg-type]
    assert await client.keys("*") == []


async def test_a_payload_over_the_limit_writes_nothing(producer: Producer, client: Redis) -> None:
    from monarq.jobs import JobContext, job

    @job("store")
    async def store(ctx: JobContext, text: str) -> None: ...

    with pytest.raises(PayloadTooLarge, match="MONARQ_MAX_PAYLOAD_BYTES"):
        await producer.enqueue(store.of("x" * 600_000))
    assert await client.keys("arq:*") == []


async def test_each_of_many_has_an_outcome_of_its_own(producer: Producer, client: Redis) -> None:
    await producer.enqueue(add.of(1), job_id="taken")
    outcomes = await producer.enqueue_many(
        [
            add.of(1),
            Order(add.of(2), job_id="taken"),
            Order(add.of(1), job_id="taken"),
            Order(subtract.of(3), priority="nonsense"),
            Order(subtract.of(4), queue="other"),
        ]
    )
    new, conflict, same, unusable, elsewhere = outcomes
    assert isinstance(new, JobHandle)
    assert new.created
    assert isinstance(conflict, Conflict)
    assert isinstance(same, JobHandle)
    assert not same.created
    assert isinstance(unusable, InvalidArguments)
    assert isinstance(elsewhere, JobHandle)
    assert elsewhere.queue == "other"
    assert await jobs_in(client) == 3


async def test_thousands_are_all_there(producer: Producer, client: Redis) -> None:
    handles = await producer.enqueue_many(add.of(number) for number in range(5_000))
    assert await client.zcard("arq:queue") == 5_000
    ids = {name.decode() for name in await client.zrange("arq:queue", 0, -1)}
    assert ids == {handle.job_id for handle in handles}  # type: ignore[union-attr]


async def test_jobs_of_one_producer_keep_their_order(producer: Producer, client: Redis) -> None:
    """Those of one priority, even within a millisecond."""
    handles = [await producer.enqueue(add.of(number)) for number in range(200)]
    ids = [name.decode() for name in await client.zrange("arq:queue", 0, -1)]
    assert ids == [handle.job_id for handle in handles]


async def test_a_delay_counts_by_the_servers_clock(producer: Producer, client: Redis) -> None:
    handle = await producer.enqueue(add.of(1), delay=timedelta(minutes=10))
    seconds, microseconds = await client.time()
    due_ms = await client.zscore("arq:queue", handle.job_id)
    assert due_ms - (seconds * 1000 + microseconds / 1000) == pytest.approx(600_000, abs=1_000)
    assert await handle.status() is State.SCHEDULED


async def test_a_point_in_time_is_kept(producer: Producer, client: Redis) -> None:
    at = datetime(2099, 2, 28, 12, tzinfo=UTC)
    handle = await producer.enqueue(add.of(1), at=at)
    assert await client.zscore("arq:queue", handle.job_id) == at.timestamp() * 1000


@pytest.mark.parametrize("priority", Priority)
async def test_a_priority_is_a_place_of_its_own(
    producer: Producer, client: Redis, priority: Priority
) -> None:
    handle = await producer.enqueue(add.of(1), priority=priority)
    key = "arq:queue" if priority is Priority.NORMAL else f"monarq:queue:default:{priority}"
    assert await client.zrange(key, 0, -1) == [handle.job_id.encode()]


def test_the_sync_producer_needs_no_event_loop(sync_producer: SyncProducer) -> None:
    handle = sync_producer.enqueue(add.of(1), job_id="order-7")
    assert handle.created
    assert handle.status() is State.READY
    assert not sync_producer.enqueue(add.of(1), job_id="order-7").created
    with pytest.raises(Conflict):
        sync_producer.enqueue(add.of(2), job_id="order-7")
    assert handle.cancel() == "cancelled"
    assert handle.status() is State.CANCELLED


def test_the_sync_producer_may_be_shared_between_threads(sync_producer: SyncProducer) -> None:
    """Each thread gets its own answers."""
    wrong: list[str] = []

    def work(thread: int) -> None:
        for number in range(50):
            job_id = f"{thread}-{number}"
            if sync_producer.enqueue(add.of(number), job_id=job_id).job_id != job_id:
                wrong.append(job_id)

    threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    handles = [sync_producer.job(f"{thread}-{number}") for thread in range(8) for number in range(50)]
    assert {handle.status() for handle in handles} == {State.READY}
