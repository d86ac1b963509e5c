"""A few letters first: is the bug gone?  With a worker that runs them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.store.address import from_url
from monarq.jobs.store.canary import Canary
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.replaying import Plan, Replaying, Stopped
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually


class Mend:
    """Whether the cause is mended; for jobs with a number from here on it is not."""

    broken_from = 0


@job("fragile", max_attempts=1)
async def fragile(ctx: JobContext, number: int) -> None:
    if number >= Mend.broken_from:
        raise ValueError(f"number {number}")


@job("patient", max_attempts=2, backoff=[3600])
async def patient(ctx: JobContext) -> None:
    raise ValueError("again")


@job("traceless", max_attempts=1, keep_result=0)
async def traceless(ctx: JobContext) -> None:
    if Mend.broken_from == 0:
        raise ValueError("no")


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    Mend.broken_from = 0
    link = Link(from_url(redis_url))
    yield link
    await link.close()


def replaying(link: Link, plan: Plan, stop: asyncio.Event | None = None) -> Replaying:
    return Replaying(open_dead_letters(link), link, LetterFilter(), plan, stop=stop)


async def bury(serve: Serve, producer: Producer, link: Link, count: int) -> None:
    async with serve(fragile):
        await producer.enqueue_many([fragile.of(number) for number in range(count)])
        await eventually(lambda: _are_dead(link, count))


async def _are_dead(link: Link, count: int) -> bool:
    return await open_dead_letters(link).count() == count


async def test_a_batch_that_is_still_broken_stops_after_its_canaries(
    serve: Serve, producer: Producer, link: Link
) -> None:
    await bury(serve, producer, link, 30)
    async with serve(fragile):
        run = replaying(link, Plan(canary=5))
        await run.run()
        await eventually(lambda: _are_dead(link, 30))
    assert (run.stopped, len(run.replayed)) == (Stopped.CANARY, 5)
    assert run.canary is not None
    assert (run.canary.size, run.canary.passed) == (5, 0)
    assert run.canary.failed >= 3  # it need not wait for the last ones


async def test_a_batch_that_is_mended_goes_on_after_its_canaries(
    serve: Serve, producer: Producer, link: Link
) -> None:
    await bury(serve, producer, link, 30)
    Mend.broken_from = 1_000
    async with serve(fragile):
        run = replaying(link, Plan(canary=5))
        await run.run()
        await eventually(lambda: _are_dead(link, 0))
    assert (run.stopped, len(run.replayed)) == (None, 30)
    assert run.as_document()["canary"] == {"size": 5, "passed": 5, "failed": 0}


@pytest.mark.parametrize(("broken_from", "goes_on"), [(2, True), (1, False)])
async def test_half_of_the_canaries_may_fail_and_no_more(
    serve: Serve, producer: Producer, link: Link, broken_from: int, goes_on: bool
) -> None:
    """The first four of all letters are those of the first four numbers."""
    async with serve(fragile, max_jobs=1):
        for number in range(8):
            await producer.enqueue(fragile.of(number))
            await eventually(lambda wanted=number + 1: _are_dead(link, wanted))
    Mend.broken_from = broken_from
    async with serve(fragile):
        run = replaying(link, Plan(canary=4))
        await run.run()
    assert len(run.replayed) == (8 if goes_on else 4)


async def test_a_canary_that_will_be_retried_has_failed(
    serve: Serve, producer: Producer, link: Link, client: Redis
) -> None:
    """Nobody waits out a backoff of an hour to learn that."""
    handle = await producer.enqueue(patient.of())
    async with serve(patient):
        await eventually(lambda: client.exists(f"monarq:failures:{handle.job_id}"))
        await client.zadd("arq:queue", {handle.job_id: 0})  # the hour is over
        await client.rpush("monarq:wake:default", "1")
        await eventually(lambda: _are_dead(link, 1))
        run = replaying(link, Plan(canary=1))
        await run.run()
    assert run.stopped is Stopped.CANARY


async def test_a_canary_that_leaves_no_result_has_passed(
    serve: Serve, producer: Producer, link: Link
) -> None:
    async with serve(traceless):
        await producer.enqueue(traceless.of())
        await eventually(lambda: _are_dead(link, 1))
        Mend.broken_from = 1
        run = replaying(link, Plan(canary=1))
        await run.run()
    assert run.as_document()["canary"] == {"size": 1, "passed": 1, "failed": 0}


async def test_fewer_letters_than_canaries_are_all_watched(
    serve: Serve, producer: Producer, link: Link
) -> None:
    await bury(serve, producer, link, 3)
    Mend.broken_from = 1
    async with serve(fragile):
        run = replaying(link, Plan(canary=10))
        await run.run()
    assert (run.stopped, run.as_document()["canary"]["failed"]) == (Stopped.CANARY, 2)


async def test_a_wait_for_canaries_can_be_stopped(serve: Serve, producer: Producer, link: Link) -> None:
    """There is no worker that would run them."""
    await bury(serve, producer, link, 3)
    stop = asyncio.Event()

    def stop_it(canary: Canary) -> None:
        stop.set()

    run = Replaying(
        open_dead_letters(link), link, LetterFilter(), Plan(canary=2), stop=stop, on_canary=stop_it
    )
    await run.run()
    assert (run.stopped, len(run.replayed)) == (Stopped.ASKED, 2)
    assert await open_dead_letters(link).count() == 1
