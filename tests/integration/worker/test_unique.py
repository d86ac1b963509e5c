"""Until when a unique key is held, with a worker that runs the jobs."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from monarq.jobs import Discard, Handler, JobContext, State, Unique, job
from monarq.jobs.errors import JobCancelled, JobExpired, JobFailed
from monarq.jobs.retry import fixed
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.producer import JobHandle, Producer

from .conftest import Serve
from .deadlines import eventually

started: list[str] = []
gates: dict[str, asyncio.Event] = {}


@pytest.fixture(autouse=True)
def _nothing_started() -> None:
    started.clear()
    gates.clear()


async def run(ctx: JobContext, what: str = "succeed") -> str:
    """Wait for the gate of this job, and then do what the arguments say."""
    started.append(ctx.job_id)
    await gates.setdefault(ctx.job_id, asyncio.Event()).wait()
    if what == "die" and started.count(ctx.job_id) == 1:
        raise Discard("no use")
    if what == "retry" and ctx.attempt == 1:
        raise ValueError("again")
    return f"{what} {ctx.attempt}"


until_start = job("until.start", unique=Unique(by=[], until="start"))(run)
until_success = job("until.success", unique=Unique(by=[], until="success"), backoff=fixed(3600))(run)
until_end = job("until.end", unique=Unique(by=[], until="end"), backoff=fixed(3600))(run)
latest = job("latest", unique=Unique(by=[], on_conflict="replace"))(run)
KINDS = (until_start, until_success, until_end, latest)


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    connection = Link(from_url(redis_url))
    yield connection
    await connection.close()


async def runs(handle: JobHandle[str]) -> None:
    await eventually(lambda: handle.job_id in started)


async def open_gate(handle: JobHandle[str]) -> None:
    await runs(handle)
    gates[handle.job_id].set()


async def test_a_job_that_has_started_lets_another_wait(serve: Serve, producer: Producer) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(until_start.of())
        await runs(first)
        second = await producer.enqueue(until_start.of())
        assert second.created
        await runs(second)
        await open_gate(first)
        await open_gate(second)
        assert await first.result(timeout=20) == await second.result(timeout=20) == "succeed 1"


async def test_a_job_that_is_handed_back_at_a_shutdown_keeps_others_out_again(
    serve: Serve, producer: Producer
) -> None:
    """Else each deploy would make a second job of one that is debounced."""
    async with serve(*KINDS):
        first = await producer.enqueue(until_start.of())
        await runs(first)
    assert await first.status() is State.READY
    assert (await producer.enqueue(until_start.of())).job_id == first.job_id


async def test_a_job_that_goes_back_because_nobody_knows_its_kind_keeps_others_out(
    serve: Serve, producer: Producer
) -> None:
    async with serve(until_end):
        first = await producer.enqueue(until_start.of())
        await eventually(lambda: has_state(first, State.SCHEDULED))
        assert (await producer.enqueue(until_start.of())).job_id == first.job_id


@pytest.mark.parametrize("kind", [until_success, until_end], ids=["success", "end"])
async def test_a_job_that_runs_keeps_others_out_and_a_kept_result_does_not(
    serve: Serve, producer: Producer, kind: Handler[..., str]
) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(kind.of())
        await runs(first)
        assert not (await producer.enqueue(kind.of())).created
        await open_gate(first)
        await first.result(timeout=20)
        assert await first.status() is State.SUCCEEDED
        assert (await producer.enqueue(kind.of())).created


@pytest.mark.parametrize("kind", [until_success, until_end], ids=["success", "end"])
async def test_a_job_that_is_retried_keeps_its_key(
    serve: Serve, producer: Producer, kind: Handler[..., str]
) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(kind.of("retry"))
        await open_gate(first)
        await eventually(lambda: has_state(first, State.RETRYING))
        same = await producer.enqueue(kind.of())
        assert (same.created, same.job_id) == (False, first.job_id)


async def has_state(handle: JobHandle[str], state: State) -> bool:
    return await handle.status() is state


async def test_a_dead_job_held_until_its_end_lets_the_next_one_in(serve: Serve, producer: Producer) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(until_end.of("die"))
        await open_gate(first)
        with pytest.raises(JobFailed):
            await first.result(timeout=20)
        assert (await producer.enqueue(until_end.of())).created


async def test_a_dead_job_held_until_success_keeps_others_out_until_its_replay_succeeds(
    serve: Serve, producer: Producer, link: Link
) -> None:
    dead = open_dead_letters(link)
    async with serve(*KINDS):
        first = await producer.enqueue(until_success.of("die"))
        await open_gate(first)
        with pytest.raises(JobFailed):
            await first.result(timeout=20)
        assert not (await producer.enqueue(until_success.of())).created
        assert await dead.replay([first.job_id]) == [True]
        assert await first.result(timeout=20) == "die 1"
        assert (await producer.enqueue(until_success.of())).created


async def test_a_discarded_letter_lets_the_next_one_in(serve: Serve, producer: Producer, link: Link) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(until_success.of("die"))
        await open_gate(first)
        with pytest.raises(JobFailed):
            await first.result(timeout=20)
        assert await open_dead_letters(link).discard([first.job_id]) == [True]
        assert (await producer.enqueue(until_success.of())).created


async def test_a_cancelled_job_lets_the_next_one_in(serve: Serve, producer: Producer) -> None:
    async with serve(*KINDS):
        first = await producer.enqueue(until_success.of())
        await runs(first)
        await first.cancel()
        with pytest.raises(JobCancelled):
            await first.result(timeout=20)
        assert (await producer.enqueue(until_success.of())).created


async def test_an_expired_job_lets_the_next_one_in(serve: Serve, producer: Producer, client: Redis) -> None:
    first = await producer.enqueue(until_success.of(), expires_in=0.001)
    seconds = (await client.time())[0]
    await eventually(lambda: later_than(client, seconds + 1))
    async with serve(*KINDS):
        with pytest.raises(JobExpired):
            await first.result(timeout=20)
        assert (await producer.enqueue(until_success.of())).created


async def later_than(client: Redis, second: int) -> bool:
    return bool((await client.time())[0] > second)


async def test_what_runs_is_followed_by_the_latest_call(serve: Serve, producer: Producer) -> None:
    """Replaced while it waits, followed while it runs: the last arguments are not lost."""
    async with serve(*KINDS):
        first = await producer.enqueue(latest.of("one"))
        await runs(first)
        wishes = [("two", 3600), ("three", 3600), ("four", 0)]
        followers = [await producer.enqueue(latest.of(what), delay=delay) for what, delay in wishes]
        assert [handle.created for handle in followers] == [True, False, False]
        await open_gate(first)
        assert await first.result(timeout=20) == "one 1"
        await open_gate(followers[0])
        assert await followers[-1].result(timeout=20) == "four 1"
    assert started == [first.job_id, followers[0].job_id]


async def test_a_debounced_job_runs_once_with_the_last_arguments(serve: Serve, producer: Producer) -> None:
    rule = Unique.debounce(1, by=[])
    async with serve(*KINDS):
        handles = [await producer.enqueue(latest.of(str(number)), unique=rule) for number in range(10)]
        assert len({handle.job_id for handle in handles}) == 1
        await open_gate(handles[0])
        assert await handles[0].result(timeout=20) == "9 1"
    assert len(started) == 1


async def test_a_throttled_job_runs_once_in_its_window(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    rule = Unique.throttle(3600, by=[])
    async with serve(*KINDS):
        first = await producer.enqueue(latest.of("first"), unique=rule)
        await open_gate(first)
        await first.result(timeout=20)
        second = await producer.enqueue(latest.of("second"), unique=rule)
        assert (second.created, await second.result(timeout=20)) == (False, "first 1")
        [key] = await client.keys("monarq:unique:*")
        await client.delete(key)  # its time has passed
        assert (await producer.enqueue(latest.of("third"), unique=rule)).created


async def test_nothing_is_left_of_keys_when_all_jobs_have_ended(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(*KINDS):
        for number in range(3):
            handles = [await producer.enqueue(kind.of()) for kind in KINDS]
            for handle in handles:
                await open_gate(handle)
                assert await handle.result(timeout=20) == "succeed 1", number
    assert await client.keys("monarq:unique:*") == []
