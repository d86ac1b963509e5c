"""A network that loses replies: what was asked has happened, and is asked again."""

import asyncio
from collections import Counter
from math import inf

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.store.keys import WORKER
from monarq.producer import Producer
from monarq.worker.heartbeat import TICK
from tests.proxy import Proxy

from .deadlines import always, eventually
from .stage import running, settings_for, stats, waiting

JOBS = 400
starts: Counter[str] = Counter()


@job("note")
async def note(ctx: JobContext) -> None:
    starts[ctx.job_id] += 1
    await asyncio.sleep(0.01)


async def has_settled(client: Redis) -> bool:
    return (await stats(client)).get("succeeded") == JOBS


@pytest.mark.parametrize("fault", ["drop_reply", "cut_reply"])
async def test_claims_and_settles_whose_replies_are_lost_are_neither_lost_nor_repeated(
    redis_url: str, producer: Producer, client: Redis, fault: str
) -> None:
    """Every third reply to the worker: each job starts once, and each outcome is taken once."""
    starts.clear()
    handles = await producer.enqueue_many(note.of() for _ in range(JOBS))
    async with Proxy(redis_url) as proxy:
        for nth in range(8, 300, 3):  # the first replies belong to arq's own client, which has no second try
            getattr(proxy, fault)(nth)
        async with running([note], settings_for(proxy.url), max_jobs=10) as worker:
            await eventually(lambda: has_settled(client), within=40)
            await eventually(lambda: not worker.runs)
            lost = proxy.accepted
            assert worker.journal.refused == 0
            assert worker.journal.complete == JOBS
    assert lost > 20, "hardly a connection was lost: nothing was tested"
    assert starts == Counter(handle.job_id for handle in handles)  # type: ignore[union-attr]
    assert await waiting(client) == 0
    assert not (await stats(client)).keys() & {"refused", "failed:crash", "dead", "retrying"}


async def test_a_network_that_is_cut_for_good_stops_handlers_before_their_leases_end(
    redis_url: str, producer: Producer
) -> None:
    """A black hole: nothing is refused and nothing arrives."""
    stopped = asyncio.Event()
    began = asyncio.Event()

    @job("hold")
    async def hold(ctx: JobContext) -> str:
        if ctx.fence > 1:
            return "elsewhere"
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            stopped.set()
            raise
        return "never"

    lease = 4
    async with Proxy(redis_url) as proxy:
        settings = settings_for(proxy.url, lease=lease)
        async with running([hold], settings):
            handle = await producer.enqueue(hold.of())
            await asyncio.wait_for(began.wait(), timeout=20)
            proxy.swallow()
            swallowed = asyncio.get_running_loop().time()
            async with running([hold], settings_for(redis_url, lease=lease)):
                await asyncio.wait_for(stopped.wait(), timeout=20)
                assert asyncio.get_running_loop().time() - swallowed < lease
                assert await handle.result(timeout=20) == "elsewhere"
            await proxy.heal()


async def test_a_worker_is_not_kept_from_stopping_by_a_server_that_is_silent(redis_url: str) -> None:
    """It waits for a token just then, for up to twenty seconds."""
    async with Proxy(redis_url) as proxy:
        async with running([note], settings_for(proxy.url)) as worker:
            await eventually(lambda: worker.fetcher._idle is not None)
            worker.fetcher._link._reply_timeout = 0.2  # type: ignore[attr-defined]
            proxy.swallow()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 12


async def test_a_server_that_nobody_has_asked_is_not_back(redis_url: str, client: Redis) -> None:
    async with Proxy(redis_url) as proxy, running([note], settings_for(proxy.url)) as worker:
        outage = worker.heartbeat.outage
        await eventually(lambda: client.exists(WORKER + worker.worker_id))  # it has its own connection
        await proxy.refuse()
        worker.heartbeat._reported_at = -inf  # it is to report just now, and not again for a while
        await eventually(lambda: outage.failed)
        await always(lambda: outage._failures, during=2 * TICK)
