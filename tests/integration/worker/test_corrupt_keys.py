"""Keys of one job that hold something else than they should: it ends as a dead letter, the others as ever."""

from typing import Any

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.failure import Cause
from monarq.jobs.retry import fixed
from monarq.jobs.store import keys
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import DeadLetter, open_dead_letters
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import stats, waiting

PARTS = {"job": keys.JOB, "fence": keys.FENCE, "starts": keys.STARTS, "failures": keys.FAILURES}


@job("add")
async def add(ctx: JobContext, left: int) -> int:
    return left + 1


@job("shaky", backoff=fixed(0.01), max_attempts=2)
async def shaky(ctx: JobContext) -> None:
    raise ValueError("as ever")


async def spoil(client: Redis, key: str, garbage: Any) -> None:
    """A hash, or this text, where it should not be."""
    await client.delete(key)
    if isinstance(garbage, dict):
        await client.hset(key, mapping=garbage)
    else:
        await client.set(key, garbage)


async def letter_of(redis_url: str, job_id: str) -> DeadLetter:
    link = Link(from_url(redis_url))
    try:
        dead = open_dead_letters(link)
        await eventually(lambda: dead.show(job_id))
        letter = await dead.show(job_id)
        assert letter is not None
        [listed] = await dead.list()
        assert listed == letter
        return letter
    finally:
        await link.close()


async def kept(client: Redis, part: str) -> Any:
    """The raw bytes of what lay there."""
    if part == "job":
        return await client.dump(keys.DEAD_LETTER + "bad")
    return await client.hget(keys.CORRUPT + "bad", part)


@pytest.mark.parametrize("garbage", [{"field": "garbage"}, "garbage"], ids=["hash", "text"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_job_whose_keys_cannot_be_used_is_quarantined_and_hurts_nobody(
    serve: Serve, producer: Producer, client: Redis, redis_url: str, part: str, garbage: Any
) -> None:
    await producer.enqueue(shaky.of(), job_id="bad")
    await client.rpush(
        keys.FAILURES + "bad", '{"spent":1,"crashes":0,"lapses":0,"cause":"error","fence":1,"worker":"w"}'
    )
    await client.set(keys.STARTS + "bad", 1)
    await spoil(client, PARTS[part] + "bad", garbage)
    async with serve(add, shaky, max_jobs=3) as worker:
        good = [await producer.enqueue(add.of(number)) for number in range(6)]
        assert [await handle.result(timeout=20) for handle in good] == [1, 2, 3, 4, 5, 6]
        letter = await letter_of(redis_url, "bad")
        await eventually(lambda: not worker.runs)
    assert await waiting(client) == 0
    assert (await stats(client))["dead"] == 1
    assert (letter.failures[-1].cause, letter.failures[-1].error_type) == (Cause.CORRUPTION, "CorruptRecord")
    assert b"garbage" in await kept(client, part)


@pytest.mark.parametrize("part", ["starts", "failures"])
async def test_keys_that_are_spoiled_while_the_job_runs_end_it_at_the_latest_after_its_next_claim(
    serve: Serve, producer: Producer, client: Redis, redis_url: str, part: str
) -> None:
    """Or its budget would be anybody's guess."""

    @job("spoiled", backoff=fixed(0.01), max_attempts=50)
    async def spoiled(ctx: JobContext) -> None:
        await spoil(client, PARTS[part] + ctx.job_id, {"field": "garbage"})
        raise ValueError

    async with serve(add, spoiled):
        await producer.enqueue(spoiled.of(), job_id="bad")
        letter = await letter_of(redis_url, "bad")
        assert await (await producer.enqueue(add.of(1))).result(timeout=20) == 2
    assert letter.failures[-1].cause is Cause.CORRUPTION
    assert b"garbage" in await kept(client, part)
    assert part in letter.set_aside


async def test_a_missing_envelope_is_a_dead_letter_that_says_so(
    serve: Serve, producer: Producer, client: Redis, redis_url: str
) -> None:
    await producer.enqueue(add.of(1), job_id="bad")
    await client.delete(keys.JOB + "bad")
    async with serve(add):
        letter = await letter_of(redis_url, "bad")
    assert letter.fault == "its envelope is gone"
    assert letter.failures[-1].cause is Cause.CORRUPTION
    assert "gone" in letter.failures[-1].message


async def test_a_result_that_cannot_be_read_is_replaced_by_the_true_one(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    handle = await producer.enqueue(add.of(1), job_id="bad")
    await spoil(client, keys.RESULT + "bad", {"field": "garbage"})
    async with serve(add) as worker:
        await eventually(lambda: worker.journal.complete == 1)
    assert await handle.result(timeout=20) == 2


@pytest.mark.parametrize("part", ["job", "starts", "failures"])
async def test_a_job_whose_keys_cannot_be_used_can_be_cancelled(
    producer: Producer, client: Redis, part: str
) -> None:
    handle = await producer.enqueue(add.of(1), job_id="bad")
    await spoil(client, PARTS[part] + "bad", {"field": "garbage"})
    assert await handle.cancel("broken") == "cancelled"
    assert await client.keys("*bad") == [b"arq:result:bad"]
