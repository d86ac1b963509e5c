"""The short series of each queue: a sample a minute, taken by one worker of all, for a day."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from monarq.jobs import JobContext, job
from monarq.jobs.store.address import from_url
from monarq.jobs.store.clock import server_ms
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import SAMPLED, queue_keys
from monarq.jobs.store.queues import announce
from monarq.jobs.store.series import KEPT, MINUTE_MS, Sample, read_samples, sample
from monarq.producer import Producer
from monarq.worker.maintenance import sampler
from monarq.worker.maintenance.sampler import Sampler

from .conftest import Serve
from .deadlines import eventually
from .stage import stats

MAIL = queue_keys("mail")
DAY_MS = round(KEPT.total_seconds() * 1000)


@job("ring", queue="mail")
async def ring(ctx: JobContext) -> None: ...


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    opened = Link(from_url(redis_url))
    await announce(opened, [MAIL])
    yield opened
    await opened.close()


async def this_minute(link: Link) -> int:
    return await server_ms(link) // MINUTE_MS * MINUTE_MS


async def samples(link: Link) -> list[Sample]:
    return [*(await read_samples(link, MAIL, 0, 2**60)).values()]


async def test_a_sample_holds_what_waits_and_since_when_and_what_was_counted(
    link: Link, producer: Producer, client: Redis
) -> None:
    for delay in (None, None, 3600):
        await producer.enqueue(ring.of(), delay=delay)
    [oldest, *_] = await client.zrange(MAIL.ranks[2], 0, 0)
    await client.zincrby(MAIL.ranks[2], -5_000, oldest)
    await sample(link, [MAIL], await this_minute(link))
    [one] = await samples(link)
    assert (one.ready, one.running, one.waiting, one.enqueued, one.succeeded) == (2, 0, 1, 3, 0)
    assert 5_000 <= one.oldest_ms < 30_000


async def test_an_empty_queue_has_no_oldest_job(link: Link) -> None:
    await sample(link, [MAIL], await this_minute(link))
    assert [one.oldest_ms for one in await samples(link)] == [0]


async def test_a_minute_has_one_sample_however_many_workers_there_are(link: Link, client: Redis) -> None:
    fleet = [Sampler(link, tagged=False) for _ in range(5)]
    minute = await this_minute(link)
    assert sum(await asyncio.gather(*(one.sample(minute) for one in fleet))) == 1
    assert 0 < await client.pttl(SAMPLED) < MINUTE_MS
    await client.delete(SAMPLED)  # lost with the server's data, say
    await fleet[0].sample(minute)
    assert list(await read_samples(link, MAIL, 0, 2**60)) == [minute]


async def test_queues_that_no_worker_serves_are_sampled(link: Link) -> None:
    await Sampler(link, tagged=False).sample(await this_minute(link))
    assert len(await samples(link)) == 1


async def test_the_series_is_a_day_long_and_vanishes_with_the_queue(link: Link, client: Redis) -> None:
    now = await server_ms(link) // 3_600_000 * 3_600_000  # its time to live is renewed each hour
    pipe = client.pipeline()
    for minute in range(now - 3 * DAY_MS, now, MINUTE_MS):
        pipe.xadd(MAIL.series, {"ready": 1}, id=f"{minute}-0")
    await pipe.execute()
    await sample(link, [MAIL], now)
    kept = list(await read_samples(link, MAIL, 0, 2**60))
    assert kept[0] > now - DAY_MS - 3 * 3_600_000  # whole nodes of the stream are dropped
    assert kept[-1] >= now
    assert 0 < await client.pttl(MAIL.series) <= DAY_MS + 3_600_000


async def test_some_minutes_are_read_without_the_others(link: Link, client: Redis) -> None:
    for minute in range(10):
        await client.xadd(MAIL.series, {"ready": minute}, id=f"{(minute + 1) * MINUTE_MS}-0")
    found = await read_samples(link, MAIL, 3 * MINUTE_MS, 5 * MINUTE_MS)
    assert {minute // MINUTE_MS: one.ready for minute, one in found.items()} == {3: 2, 4: 3, 5: 4}


async def test_more_queues_than_are_sampled_are_told_once(
    link: Link, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "MOST_QUEUES", 1)
    one = Sampler(link, tagged=False)
    with capture_logs() as logs:
        for _ in range(2):
            await client.delete(SAMPLED)
            await one.sample(await this_minute(link))
    assert [line["event"] for line in logs] == ["worker.queues_not_sampled"]
    assert await samples(link) == []
    assert await client.exists(queue_keys("default").series)


async def test_a_worker_samples_as_a_minute_begins(
    serve: Serve, link: Link, client: Redis, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampler, "MINUTE_MS", 50)  # they begin more often here
    monkeypatch.setattr(sampler, "_SPREAD", 0.0)
    handle = await producer.enqueue(ring.of())
    async with serve(ring, queues=["mail"]):
        await handle.result(timeout=20)
        await eventually(lambda: samples(link))
    assert (await stats(client, "mail"))["succeeded"] == 1
