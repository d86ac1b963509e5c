"""The gauges of the whole fleet: who tells them, when, and what they say."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic_core import to_json
from redis.asyncio import Redis

from monarq.jobs.metrics import render
from monarq.jobs.priority import Priority
from monarq.jobs.settings import Settings
from monarq.jobs.store import exporter as exporters
from monarq.jobs.store.address import from_url
from monarq.jobs.store.census import CensusTaker
from monarq.jobs.store.exporter import Exporter
from monarq.jobs.store.heartbeats import KIND
from monarq.jobs.store.keys import EXPORTER, HEARTBEATS, QUEUES, WORKER, WORKERS, queue_keys
from monarq.jobs.store.pauses import Pauses
from monarq.jobs.store.verbs import Verb
from tests.contract.store import Store, a_failure, a_job, an_end
from tests.proxy import Proxy
from tests.scrapes import Samples, samples_of
from tests.servers import ValkeyServer, free_port

MakeExporter = Callable[..., Exporter]


@pytest.fixture
def exporter_at() -> Iterator[MakeExporter]:
    """Makes exporters, and closes them."""
    with ExitStack() as stack:

        def make(url: str, **settings: Any) -> Exporter:
            exporter = Exporter(from_url(url), Settings(redis_url=url, **settings))
            stack.callback(exporter.close)
            return exporter

        yield make


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as connection:
        yield connection


async def told(exporter: Exporter) -> Samples:
    """What it tells, asked as a scrape does: from a thread."""
    text, _ = await asyncio.to_thread(render, [exporter], "")
    return {key: value for key, value in samples_of(text.decode()).items() if key[0] != "monarq_build_info"}


async def test_one_of_all_that_are_scraped_tells_until_it_is_gone(
    redis_url: str, client: Redis, exporter_at: MakeExporter
) -> None:
    first, second = exporter_at(redis_url), exporter_at(redis_url)
    assert await told(first)
    assert await told(second) == {}
    assert await told(first)
    assert 30_000 < await client.pttl(EXPORTER) <= 40_000
    await client.delete(EXPORTER)  # its time is over
    assert await told(second)
    assert await told(first) == {}
    await asyncio.to_thread(second.close)
    assert await told(first), "who ends leaves it to others at once"


async def test_of_a_full_redis_somebody_tells_although_nobody_can_take_the_lease(
    exporter_at: MakeExporter,
) -> None:
    options = {"maxmemory-policy": "noeviction", "maxmemory": "1"}
    with ValkeyServer(options=options) as server:
        found = await told(exporter_at(server.url))
        assert found["monarq_redis_memory_max_bytes", frozenset()] == 1


async def test_nothing_is_asked_of_redis_while_nobody_scrapes(
    redis_url: str, client: Redis, exporter_at: MakeExporter
) -> None:
    before = (await client.info("clients"))["connected_clients"]
    exporter = exporter_at(redis_url)
    assert (await client.info("clients"))["connected_clients"] == before
    assert not await client.exists(EXPORTER)
    await asyncio.to_thread(exporter.close)
    assert await told(exporter) == {}, "one that has ended begins no more"


async def test_jobs_are_told_by_queue_priority_and_state(
    redis_url: str, store: Store, exporter_at: MakeExporter
) -> None:
    later = timedelta(minutes=1)
    await store.enqueue(a_job("ready"), a_job("urgent", priority=Priority.CRITICAL), a_job("l", due=later))
    await store.at("ready", await store.now() - 5_000)
    found = await told(exporter_at(redis_url, objectives={"default": timedelta(seconds=7)}))

    def of(name: str, **labels: str) -> float:
        return found[name, frozenset({"queue": "default", **labels}.items())]

    assert of("monarq_queue_jobs", priority="normal", state="ready") == 1
    assert of("monarq_queue_jobs", priority="normal", state="scheduled") == 1
    assert of("monarq_queue_jobs", priority="critical", state="ready") == 1
    assert of("monarq_queue_jobs", priority="low", state="ready") == 0
    assert 5 <= of("monarq_queue_oldest_ready_age_seconds", priority="normal") < 30
    assert of("monarq_queue_oldest_ready_age_seconds", priority="low") == 0
    assert of("monarq_queue_wait_objective_seconds") == 7
    assert of("monarq_queue_paused") == 0
    assert of("monarq_queue_workers") == 0, "a queue that nobody serves must be told"
    assert of("monarq_queue_parked_jobs") == 0
    assert found["monarq_workers", frozenset({("state", "live")})] == 0
    assert found["monarq_redis_memory_used_bytes", frozenset()] > 0
    assert found["monarq_redis_evicting", frozenset()] == 0
    assert found["monarq_snapshot_duration_seconds", frozenset()] > 0


async def test_what_runs_retries_is_dead_or_paused_is_told(
    redis_url: str, store: Store, exporter_at: MakeExporter
) -> None:
    await store.enqueue(*map(a_job, ("dies", "retries", "runs")))
    claimed = {one.job_id: one for one in await store.claim(3)}
    again = an_end(claimed["retries"], Verb.RETRYING, delay=timedelta(minutes=1), failure=a_failure())
    await store.settle(an_end(claimed["dies"], Verb.DEAD, failure=a_failure()), again)
    await Pauses(store.transport).pause("default", why="it is to be told")
    found = await told(exporter_at(redis_url))
    jobs = {"queue": "default", "priority": "normal"}
    assert found["monarq_queue_jobs", frozenset({**jobs, "state": "running"}.items())] == 1
    assert found["monarq_queue_jobs", frozenset({**jobs, "state": "retrying"}.items())] == 1
    assert found["monarq_dead_letter_jobs", frozenset({("queue", "default")})] == 1
    failures = {"queue": "default", "cause": "error"}
    assert found["monarq_job_failures_total", frozenset(failures.items())] == 2
    assert found["monarq_job_failures_total", frozenset({**failures, "cause": "crash"}.items())] == 0
    assert found["monarq_queue_paused", frozenset({("queue", "default")})] == 1


async def test_while_redis_is_away_the_last_is_told_and_grows_older(
    proxy: Proxy, store: Store, exporter_at: MakeExporter
) -> None:
    await store.enqueue(a_job("waits"))
    exporter, other = exporter_at(proxy.url), exporter_at(proxy.url)
    before = await told(exporter)
    assert await told(other) == {}
    await proxy.refuse()
    after = await told(exporter)
    assert await told(other) == {}, "who has not told does not begin now"
    snapshot = ("monarq_snapshot_timestamp_seconds", frozenset[tuple[str, str]]())
    assert after[snapshot] == before[snapshot]
    age = (
        "monarq_queue_oldest_ready_age_seconds",
        frozenset({("queue", "default"), ("priority", "normal")}),
    )
    assert after[age] > before[age]


async def test_of_very_many_queues_the_rest_is_told_together(
    redis_url: str, client: Redis, exporter_at: MakeExporter
) -> None:
    names = [f"q{number:03}" for number in range(150)]
    await client.sadd(QUEUES, *names)
    found = await told(exporter_at(redis_url, objectives={"q149": timedelta(seconds=5)}))
    queues = {dict(labels)["queue"] for name, labels in found if name == "monarq_queue_workers"}
    assert len(queues) == 101
    assert {"other", "q149"} <= queues


async def test_what_postgres_holds_is_left_out_while_it_is_away(
    redis_url: str, exporter_at: MakeExporter
) -> None:
    nobody = SecretStr(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    found = {name for name, _ in await told(exporter_at(redis_url, database_url=nobody))}
    assert "monarq_queue_jobs" in found
    assert {"monarq_dead_letter_jobs", "monarq_outbox_pending_jobs"} & found == set()


async def test_nobody_beats_where_it_is_turned_off_or_paused(
    redis_url: str, store: Store, exporter_at: MakeExporter
) -> None:
    await _serve(store.client, "default")
    assert ("monarq_queue_workers", _DEFAULT) in await told(exporter_at(redis_url, heartbeat_jobs=False))
    await store.client.delete(EXPORTER)
    await Pauses(store.transport).pause("default", why="it is to rest")
    assert ("monarq_queue_workers", _DEFAULT) in await told(exporter_at(redis_url))
    assert await store.client.zcard(store.queue.ranks[2]) == 0


async def test_a_heartbeat_that_waits_is_not_joined_by_another(
    redis_url: str, store: Store, exporter_at: MakeExporter
) -> None:
    await _serve(store.client, "default")
    for _ in range(3):
        await told(exporter_at(redis_url))
        await store.client.delete(EXPORTER)  # another process each time, which knows of no other
    assert await store.client.zcard(store.queue.ranks[2]) == 1


@pytest.mark.parametrize(("tagged", "job_id"), [(False, f"{KIND}:mail"), (True, f"{{mail}}{KIND}")])
async def test_a_heartbeat_has_one_id_per_queue(
    redis_url: str, client: Redis, exporter_at: MakeExporter, tagged: bool, job_id: str
) -> None:
    await _serve(client, "mail")
    found = await told(exporter_at(redis_url, hash_tags=tagged))
    assert found["monarq_queue_workers", frozenset({("queue", "mail")})] == 1
    waiting = await client.zrange(queue_keys("mail", tagged=tagged).ranks[2], 0, -1)
    assert waiting == [job_id.encode()]
    assert await client.zcard(queue_keys("default", tagged=tagged).ranks[2]) == 0, "nobody serves it"


async def test_a_time_that_no_clock_tells_is_none(
    redis_url: str, client: Redis, exporter_at: MakeExporter
) -> None:
    await _serve(client, "default")
    await client.hset(HEARTBEATS, mapping={"default": "9" * 5_000, "mail": "9" * 400})
    found = {name for name, _ in await told(exporter_at(redis_url))}
    assert "monarq_queue_workers" in found
    assert "monarq_heartbeat_job_timestamp_seconds" not in found


async def test_a_slow_look_is_waited_for(store: Store) -> None:
    """What was seen at the last scrape is not passed off as what is."""

    class Slow:
        async def call(self, *command: Any, timeout: float | None = None) -> Any:
            if command == ("TIME",):
                await asyncio.sleep(seconds)
            return await store.transport.call(*command, timeout=timeout)

    seconds, taker = 0.0, CensusTaker(Slow(), Settings())
    first = await taker._take()
    seconds = 0.6
    second = await taker._take()
    assert second.fleet.taken_at > first.fleet.taken_at
    await taker.close()


_DEFAULT = frozenset({("queue", "default")})


async def _serve(client: Redis, queue: str) -> None:
    """A worker that says that it serves the queue, and does nothing."""
    report = {"worker": "w", "host": "h", "pid": 1, "queues": {queue: 0}, "kinds": [], "slots": 1}
    await client.set(WORKER + "w", to_json(report | {"busy": 0, "stopping": False}))
    await client.zadd(WORKERS, {"w": round(time.time() * 1000)})
    await client.sadd(QUEUES, queue)


async def test_a_fault_of_ours_costs_no_more_than_these_gauges(
    redis_url: str, exporter_at: MakeExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*seen: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(exporters, "_told", broken)
    assert await told(exporter_at(redis_url)) == {}
