"""A server without memory: what makes room still works, what takes room is refused and writes nothing."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import redis

from monarq.jobs.errors import StoreFull
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import WORKER, WORKERS
from monarq.jobs.store.verbs import Accepted, Cancellation, Renewal, Verb
from monarq.jobs.store.workers import enlist, report
from tests.contract.store import Store, a_failure, a_job, a_lease, an_end, open_store
from tests.servers import ValkeyServer

LATER = timedelta(hours=1)


@pytest.fixture(scope="module")
def small_url() -> Iterator[str]:
    """A server of its own, since its memory is taken away."""
    with ValkeyServer(options={"maxmemory-policy": "noeviction"}) as server:
        yield server.url


@pytest.fixture
async def store(small_url: str) -> AsyncIterator[Store]:
    with redis.Redis.from_url(small_url) as client:
        client.flushall()
    async with open_store(small_url) as store:
        yield store


@asynccontextmanager
async def full(store: Store) -> AsyncIterator[None]:
    """The server has no memory left, and has forgotten its scripts too."""
    await store.call("SCRIPT", "FLUSH")
    await store.call("CONFIG", "SET", "maxmemory", 1)
    try:
        yield
    finally:
        await store.call("CONFIG", "SET", "maxmemory", 0)


async def test_a_full_store_refuses_an_enqueue_and_writes_nothing(store: Store) -> None:
    await store.enqueue(a_job("b"))
    before = await store.dump()
    for _ in range(2):  # by its source, then by its hash
        async with full(store):
            with pytest.raises(StoreFull):
                await store.enqueue(a_job("a"), a_job("b"), a_job("c", due=LATER))
            with pytest.raises(StoreFull):
                await store.enqueue(a_job("d"))
    assert await store.dump() == before
    assert await store.enqueue(a_job("a")) == [Accepted.CREATED]


async def test_a_full_store_takes_no_letter_back(store: Store) -> None:
    before = await store.dump()
    async with full(store):
        with pytest.raises(StoreFull):
            await store.revive("a")
    assert await store.dump() == before


async def test_a_full_store_gives_letters_away(store: Store) -> None:
    await store.bury("a")
    async with full(store):
        assert await store.archive("a") == [True]


async def test_a_full_store_refuses_a_replay_and_the_letters_stay(store: Store) -> None:
    await store.bury("a")
    before = await store.dump()
    async with full(store):
        with pytest.raises(StoreFull):
            await store.replay("a")
    assert await store.dump() == before
    assert await store.replay("a") == [True]


async def test_the_letters_of_a_full_store_can_be_read_and_discarded(store: Store) -> None:
    await store.bury("a")
    async with full(store):
        [found] = await store.browse("a")
        assert found.died_ms is not None
        assert await store.discard("a") == [True]


async def test_a_full_store_is_drained(store: Store) -> None:
    await store.enqueue(*map(a_job, "abcd"))
    async with full(store):
        a, b, c, d = await store.claim(4)
        ends = [
            an_end(a),
            an_end(b, Verb.RETRYING, delay=LATER, failure=a_failure()),
            an_end(c, Verb.DEAD, failure=a_failure()),
            an_end(d, Verb.RELEASED),
        ]
        assert await store.settle(*ends, nonce="n") == [True] * 4
        assert await store.settle(*ends, nonce="n") == [True] * 4
        assert [(await store.inspect(name)).what for name in "abcd"] == [
            "ended",
            "retrying",
            "ended",
            "ready",
        ]


async def test_a_full_store_lets_orphans_be_claimed(store: Store) -> None:
    await store.run()
    await store.expire_leases("a")
    async with full(store):
        [job] = await store.claim(worker="w2")
    assert (job.starts, job.lapses) == (2, 1)


async def test_a_full_store_lets_leases_be_renewed(store: Store) -> None:
    job = await store.run()
    async with full(store):
        assert await store.renew(a_lease(job)) == [Renewal.RENEWED]


async def test_a_full_store_lets_workers_report(store: Store) -> None:
    """Else all of them would seem dead, just when somebody looks."""
    async with full(store):
        await execute(store.transport, report("w1", b"{}"))
        await execute(store.transport, enlist("w1"))
        assert await store.call("EXISTS", WORKER + "w1", WORKERS) == 2


async def test_a_full_store_lets_jobs_be_cancelled_discarded_and_waited_for(store: Store) -> None:
    await store.bury("dead")
    await store.run("running")
    await store.enqueue(a_job("ready"))
    async with full(store):
        assert await store.cancel("ready") is Cancellation.CANCELLED
        assert await store.cancel("running") is Cancellation.REQUESTED
        assert (await store.inspect("running", "here")).what == "running"
        assert await store.discard("dead") == [True]
