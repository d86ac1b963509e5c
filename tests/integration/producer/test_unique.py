"""Unique jobs as producers see them: one job per key, whoever asks, and a handle on it for all."""

import asyncio
import threading
from datetime import timedelta
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from monarq.jobs import Settings, State, Unique
from monarq.jobs.errors import NotUnique
from monarq.producer import JobHandle, Order, Producer, SyncJobHandle, SyncProducer

from .kinds import add, subtract
from .test_enqueue import jobs_in

BY_LEFT = Unique(by=["left"])


async def test_of_many_enqueues_of_one_key_at_once_one_makes_a_job(redis_url: str, client: Redis) -> None:
    """From several producers, in one tick and apart; the others get a handle on it."""
    producers = [Producer.connect(redis_url) for _ in range(5)]
    handles = await asyncio.gather(
        *(
            producer.enqueue(add.of(1, right=number), unique=BY_LEFT)
            for producer in producers
            for number in range(20)
        )
    )
    assert [handle.created for handle in handles].count(True) == 1
    assert len({handle.job_id for handle in handles}) == 1
    assert await jobs_in(client) == await client.zcard("arq:queue") == 1
    await asyncio.gather(*(producer.close() for producer in producers))


def test_of_many_threads_one_makes_a_job(sync_producer: SyncProducer) -> None:
    handles: list[SyncJobHandle[int]] = []

    def work() -> None:
        for number in range(25):
            handles.append(sync_producer.enqueue(add.of(1, right=number), unique=BY_LEFT))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({handle.job_id for handle in handles}) == 1
    assert [handle.created for handle in handles].count(True) == 1


async def test_other_arguments_another_kind_and_another_queue_are_other_jobs(
    producer: Producer, client: Redis
) -> None:
    calls: list[tuple[Any, dict[str, Any]]] = [
        (add.of(1), {}),
        (add.of(2), {}),
        (subtract.of(1), {}),
        (add.of(1), {"queue": "other"}),
    ]
    handles = [await producer.enqueue(call, unique=Unique(), **options) for call, options in calls]
    assert all(handle.created for handle in handles)
    assert await jobs_in(client) == 4


async def test_who_is_rejected_learns_who_holds_the_key(producer: Producer, client: Redis) -> None:
    first = await producer.enqueue(add.of(1), unique=BY_LEFT)
    before = await client.keys("*")
    with pytest.raises(NotUnique, match="add: ") as caught:
        await producer.enqueue(add.of(1, right=2), unique=Unique(by=["left"], on_conflict="reject"))
    assert (caught.value.held_by, caught.value.kind) == (first.job_id, "add")
    assert await client.keys("*") == before


async def test_of_many_each_has_an_outcome_of_its_own(producer: Producer) -> None:
    reject = Unique(by=["left"], on_conflict="reject")
    outcomes = await producer.enqueue_many(
        [
            Order(add.of(1), unique=BY_LEFT),
            Order(add.of(1, right=5), unique=BY_LEFT),
            Order(add.of(1, right=6), unique=reject),
            add.of(1),
            Order(add.of(2), unique=reject),
        ]
    )
    first, same, rejected, plain, other = outcomes
    assert isinstance(first, JobHandle)
    assert isinstance(same, JobHandle)
    assert (first.created, same.created, same.job_id) == (True, False, first.job_id)
    assert isinstance(rejected, NotUnique)
    assert all(isinstance(one, JobHandle) and one.created for one in (plain, other))


async def test_the_holder_may_be_asked_by_whoever_was_kept_out(producer: Producer) -> None:
    await producer.enqueue(add.of(1), unique=BY_LEFT, delay=60)
    same = await producer.enqueue(add.of(1), unique=BY_LEFT)
    assert await same.status() is State.SCHEDULED
    assert await same.cancel() == "cancelled"
    assert (await producer.enqueue(add.of(1), unique=BY_LEFT)).created


async def test_an_id_of_ones_own_is_looked_at_first(producer: Producer) -> None:
    first = await producer.enqueue(add.of(1), unique=BY_LEFT, job_id="order-7")
    again = await producer.enqueue(add.of(1), unique=BY_LEFT, job_id="order-7")
    other = await producer.enqueue(add.of(1), unique=BY_LEFT, job_id="order-8")
    assert (first.created, again.created, other.created) == (True, False, False)
    assert other.job_id == "order-7"


async def test_debounced_calls_put_off_one_job(producer: Producer, client: Redis) -> None:
    rule = Unique.debounce(timedelta(minutes=1), by=["left"])
    handles = [await producer.enqueue(add.of(1, right=number), unique=rule) for number in range(5)]
    assert len({handle.job_id for handle in handles}) == 1
    seconds, microseconds = await client.time()
    due_ms = await client.zscore("arq:queue", handles[0].job_id)
    assert due_ms - (seconds * 1000 + microseconds / 1000) == pytest.approx(60_000, abs=1_000)
    assert b'"right":4' in await client.get(f"arq:job:{handles[0].job_id}")


async def test_with_hash_tags_a_key_lies_in_the_slot_of_its_queue(redis_url: str, client: Redis) -> None:
    settings = Settings(**cast(Any, {"redis_url": redis_url, "hash_tags": True}))
    async with Producer.connect(settings=settings) as producer:
        first = await producer.enqueue(add.of(1), unique=BY_LEFT)
        assert not (await producer.enqueue(add.of(1), unique=BY_LEFT)).created
    [key] = await client.keys("monarq:unique:*")
    assert key.startswith(b"monarq:unique:{default}:")
    assert await client.get(key) == first.job_id.encode()
