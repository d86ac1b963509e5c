"""Where `why` looks for a job, and what it says of what cannot be read."""

import pytest
from redis.asyncio import Redis

from monarq import Reason, Settings
from monarq.jobs import JobContext, State, job
from monarq.jobs.store.keys import JOB, RESULT, queue_keys
from monarq.producer import Producer

from .explanations import check


@job("greet")
async def greet(ctx: JobContext) -> str:
    return "hello"


async def test_a_job_is_found_in_whatever_queue_it_is(producer: Producer, client: Redis) -> None:
    """arq's envelopes do not name it."""
    await producer.enqueue(greet.of(), queue="mail")
    await client.set(f"{JOB}a", b'{"t":null,"f":"greet","a":[],"k":{},"et":1764000000000}')
    await client.zadd(queue_keys("mail").ranks[2], {"a": 1_764_000_000_000})
    told = await producer.why("a")
    assert (told.state, told.facts["queue"], told.facts["ahead"]["normal"]) == (State.READY, "mail", 0)


async def test_a_payload_in_no_queue_is_said_to_be_there(producer: Producer, client: Redis) -> None:
    await client.set(f"{JOB}a", b'{"m":{"v":1},"t":null,"f":"greet","a":[],"k":{},"et":1764000000000}')
    told = await producer.why("a")
    assert (told.state, told.reason) == (None, Reason.STRANDED)


@pytest.mark.parametrize("record", [b"garbage", b"[]", b'{"s":1}'])
async def test_an_end_that_cannot_be_read_is_an_end(producer: Producer, client: Redis, record: bytes) -> None:
    await client.set(f"{RESULT}a", record)
    told = await producer.why("a")
    check(told, None, Reason.ENDED, r"It has ended, but the record of its end cannot be read\.")


async def test_an_envelope_that_cannot_be_read_is_explained_all_the_same(
    producer: Producer, client: Redis
) -> None:
    await client.set(f"{JOB}a", b"\x80\x04garbage")
    await client.zadd(queue_keys("default").ranks[2], {"a": 1_764_000_000_000})
    told = await producer.why("a")
    assert (told.state, told.reason) == (State.READY, Reason.UNSERVED)
    assert "kind" not in told.facts


async def test_a_job_of_a_tagged_queue_is_found_by_its_id(redis_url: str) -> None:
    settings = Settings(redis_url=redis_url, hash_tags=True)
    async with Producer.connect(settings=settings) as producer:
        handle = await producer.enqueue(greet.of(), queue="mail")
        told = await producer.why(handle.job_id)
    assert (told.state, told.facts["queue"]) == (State.READY, "mail")
