"""arq 0.28's known defects, A1 to A12: what each would do to a job, and that it does not happen here."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import func
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import Conflict, JobFailed
from monarq.jobs.failure import Cause
from monarq.jobs.retry import exponential, fixed
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.dead_letters import open_dead_letters
from monarq.jobs.store.keys import DEAD_LETTER, FAILURES, FENCE, JOB, WORKER
from monarq.jobs.store.verbs import BATCH, Claimed
from monarq.producer import Producer
from monarq.worker.maintenance.aborts import Aborts
from tests.contract.store import RESTART_GRACE_SECONDS
from tests.servers import ValkeyServer

from .conftest import Serve
from .deadlines import always, eventually
from .elsewhere import QUEUE, Rival, claim_elsewhere, hold_by_arqs_workers
from .stage import dead_letter, failures_of, running, settings_for, stats, waiting

Ctx = dict[Any, Any]
#: Seconds until something that must happen is overdue: many, since other programs may be busy meanwhile.
SOON = 30.0
HOUR_MS = 3_600_000
ELSEWHERE = 150


@job("double")
async def double(ctx: JobContext, number: int) -> int:
    return number * 2


@pytest.fixture
async def link(redis_url: str) -> AsyncIterator[Link]:
    """What workers elsewhere would talk over."""
    link = Link(from_url(redis_url))
    yield link
    await link.close()


async def test_a1_running_jobs_elsewhere_do_not_hide_ready_ones(
    serve: Serve, producer: Producer, pool: ArqRedis, client: Redis, link: Link
) -> None:
    """arq: a worker reads only the first 100 ids, running ones among them: with 100 running, a fleet is full.

    Here they run both in workers of arq's own and in another of Monarq's.
    """
    starts: list[str] = []

    @job("double")
    async def noted(ctx: JobContext, number: int) -> int:
        starts.append(ctx.job_id)
        return number * 2

    leased: list[Claimed] = []
    await producer.enqueue_many(noted.of(number) for number in range(ELSEWHERE))
    while len(leased) < ELSEWHERE:
        leased += await claim_elsewhere(link, lease=60, limit=min(BATCH, ELSEWHERE - len(leased)))
    held = await hold_by_arqs_workers(pool, ELSEWHERE)
    ready = await producer.enqueue(noted.of(21))
    async with serve(noted, max_jobs=5):
        assert await ready.result(timeout=SOON) == 42
        later = await producer.enqueue(noted.of(4))
        assert await later.result(timeout=SOON) == 8
    assert starts == [ready.job_id, later.job_id]
    assert await waiting(client) == len(leased) + len(held)
    assert {await client.get(FENCE + name) for name in held} == {b"1"}


async def test_a2_a_restart_of_redis_does_not_end_the_worker() -> None:
    """arq: a worker with default settings exits with ConnectionError when Redis is away for a second.

    Here jobs from before, during and after the outage all end well, each started once.
    """
    release = asyncio.Event()
    starts: list[str] = []

    @job("hold")
    async def hold(ctx: JobContext) -> str:
        starts.append(ctx.job_id)
        await release.wait()
        return "kept"

    with ValkeyServer(appendonly=True, options={"appendfsync": "always"}) as server:
        async with (
            Producer.connect(server.url) as producer,
            running([hold, double], settings_for(server.url)) as worker,
        ):
            life = worker.main_task
            assert life is not None
            held = await producer.enqueue(hold.of())
            await eventually(lambda: starts, within=SOON)
            scheduled = await producer.enqueue(double.of(2), delay=0.3)
            server.kill()
            await always(lambda: not life.done(), during=1.0)
            release.set()
            await asyncio.to_thread(server.start)
            assert await held.result(timeout=SOON) == "kept"
            assert await scheduled.result(timeout=SOON) == 4
            assert await (await producer.enqueue(double.of(3))).result(timeout=SOON) == 6
            assert not life.done()
    assert starts == [held.job_id]


async def test_a3_an_on_job_start_that_raises_costs_neither_the_worker_nor_the_job(
    serve: Serve, producer: Producer
) -> None:
    """arq: an exception in `on_job_start` ends the whole worker."""
    calls: list[int] = []

    async def on_job_start(ctx: Ctx) -> None:
        calls.append(ctx["job_try"])
        if len(calls) == 1:
            raise RuntimeError("no database")

    @job("tried", backoff=fixed(0))
    async def tried(ctx: JobContext) -> int:
        return ctx.attempt

    async with serve(tried, double, on_job_start=on_job_start) as worker:
        handle = await producer.enqueue(tried.of())
        assert await handle.result(timeout=SOON) == 2
        assert await (await producer.enqueue(double.of(1))).result(timeout=SOON) == 2
        assert worker.main_task is not None
        assert not worker.main_task.done()
    assert calls == [1, 2, 1]


async def test_a4_ordinary_exceptions_are_retried_with_backoff(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """arq: an ordinary exception ends a job at once, whatever `max_tries` says; there is no backoff."""

    @job("flaky", max_attempts=4, backoff=exponential(0.05, jitter=False))
    async def flaky(ctx: JobContext, good_attempt: int) -> int:
        if ctx.attempt < good_attempt:
            raise ValueError(f"attempt {ctx.attempt}")
        return ctx.attempt

    async with serve(flaky):
        in_time, too_late = [await producer.enqueue(flaky.of(good)) for good in (4, 5)]
        assert await in_time.result(timeout=SOON) == 4
        with pytest.raises(JobFailed, match="attempt 4"):
            await too_late.result(timeout=SOON)
        failures = await failures_of(client, too_late.job_id)
    assert [(failure.spent, failure.error_type) for failure in failures] == [
        (attempt, "ValueError") for attempt in (1, 2, 3, 4)
    ]
    waits = [later.started_ms - earlier.ended_ms for earlier, later in pairwise(failures)]
    for wait, least in zip(waits, (50, 100, 200), strict=True):
        assert wait >= least - 2  # each clock is rounded to a millisecond


async def test_a5_a_failed_job_is_kept_with_its_attempts_and_can_be_replayed(
    serve: Serve, producer: Producer, client: Redis, link: Link
) -> None:
    """arq: the payload of a failed job is deleted; only an error is left of it, for an hour."""
    broken = True

    @job("charge", max_attempts=2, backoff=fixed(0))
    async def charge(ctx: JobContext, customer: str, *, amount: int) -> str:
        if broken:
            raise ConnectionError(f"attempt {ctx.attempt}")
        return f"{customer} paid {amount} at attempt {ctx.attempt}"

    async with serve(charge):
        handle = await producer.enqueue(charge.of("ann", amount=12))
        letter = await dead_letter(client, handle.job_id, within=SOON)
        assert await handle.status() is State.DEAD
        assert letter.envelope.kind == "charge"
        assert letter.envelope.kwargs == {"customer": "ann", "amount": 12}
        assert [failure.message for failure in letter.failures] == ["attempt 1", "attempt 2"]
        for key in (DEAD_LETTER, FAILURES):
            assert await client.ttl(key + handle.job_id) == -1
        broken = False
        assert await open_dead_letters(link).replay([handle.job_id]) == [True]
        assert await handle.result(timeout=SOON) == "ann paid 12 at attempt 1"
        assert await open_dead_letters(link).count() == 0


async def test_a6_a_job_of_an_unknown_function_waits_for_a_worker_that_knows_it(
    serve: Serve, pool: ArqRedis, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """arq: an unknown function ends a job for good and deletes it, so that a rolling deploy loses jobs."""
    monkeypatch.setattr("monarq.worker.executor.UNKNOWN_KIND_DELAY", timedelta(seconds=0.1))

    async def added_later(ctx: Ctx, number: int) -> list[int]:
        return [number, ctx["job_try"]]

    async with serve(double, poll_delay=0.02) as old:
        asked = await pool.enqueue_job("added.later", 7)
        assert asked is not None
        await eventually(lambda: old.journal.released >= 3, within=SOON)
        assert await client.ttl(JOB + asked.job_id) == -1
        async with serve(func(added_later, name="added.later"), double, max_tries=1):
            assert await asked.result(timeout=SOON, poll_delay=0.02) == [7, 1]
    assert await client.zcard(QUEUE.dead) == 0


async def test_a7_restarts_of_its_workers_spend_no_attempt(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """arq: five deploys during a job exhaust its `max_tries`, though it never raised."""
    interruptions = 6
    attempts: list[int] = []
    started, release = asyncio.Event(), asyncio.Event()

    @job("long", max_attempts=1)
    async def long(ctx: JobContext) -> str:
        attempts.append(ctx.attempt)
        started.set()
        await release.wait()
        return "done"

    handle = await producer.enqueue(long.of())
    for _ in range(interruptions):
        started.clear()
        async with serve(long, settings={"drain_timeout": 0}) as worker:
            await asyncio.wait_for(started.wait(), SOON)
        assert worker.exit_code == 75
        assert await handle.status() is State.READY  # handed back at once: no lease to wait for
    failures = await failures_of(client, handle.job_id)
    assert [(failure.cause, failure.spent, failure.crashes) for failure in failures] == [
        (Cause.INTERRUPTION, 0, 0)
    ] * interruptions
    release.set()
    async with serve(long):
        assert await handle.result(timeout=SOON) == "done"
    assert attempts == [1] * (interruptions + 1)


async def test_a8_recovery_from_a_crash_waits_for_the_lease_and_not_for_the_longest_timeout(
    serve: Serve, producer: Producer, client: Redis, link: Link
) -> None:
    """arq: a job of a worker that died waits for the longest timeout of all functions, by default 310 s."""
    lease = 1.0
    starts: list[tuple[float, int]] = []

    @job("import", timeout=timedelta(hours=3))
    async def import_all(ctx: JobContext) -> int:
        starts.append((time.monotonic(), ctx.fence))
        return ctx.attempt

    handle = await producer.enqueue(import_all.of())
    claimed_at = time.monotonic()
    [lost] = await claim_elsewhere(link, lease=lease)
    assert lost.job_id == handle.job_id
    async with serve(import_all, settings={"lease": lease}):
        assert await handle.result(timeout=lease + SOON) == 1  # a crash is no attempt
    [(started_at, fence)] = starts
    assert fence == 2
    assert started_at - claimed_at >= lease - 0.002
    assert (await stats(client))["failed:crash"] == 1


async def test_a9_abort_works_without_allow_abort_jobs_and_leaves_no_entry(
    serve: Serve, pool: ArqRedis, client: Redis
) -> None:
    """arq: with the default `allow_abort_jobs=False`, `abort()` waits for ever and leaves an entry."""
    ends: list[str] = []
    starts: list[str] = []

    async def hold(ctx: Ctx) -> None:
        starts.append(ctx["job_id"])
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(ctx["job_id"])

    async def asked(**options: Any) -> Job:
        enqueued = await pool.enqueue_job("hold", **options)
        assert enqueued is not None
        return enqueued

    async with serve(func(hold, name="hold"), allow_abort_jobs=False):
        runs, waits = await asked(), await asked(_defer_by=3600)
        await eventually(lambda: starts, within=SOON)
        assert await runs.abort(timeout=SOON, poll_delay=0.02) is True
        assert await waits.abort(timeout=SOON, poll_delay=0.02) is True
        # arq's client makes a job due before it says that it is to be aborted: it may begin in between
        assert starts == ends
        assert starts[0] == runs.job_id
        assert await client.exists(QUEUE.abort) == 0
    assert await waiting(client) == 0


async def test_a10_a_finished_id_that_is_asked_for_again_gives_the_same_job(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """arq: until its result expires, the id of a finished job cannot be enqueued: None, and no error."""
    starts: list[int] = []

    @job("report")
    async def report(ctx: JobContext, month: int) -> int:
        starts.append(month)
        return month * 100

    async with serve(report):
        first = await producer.enqueue(report.of(2), job_id="report-2")
        assert first.created is True
        assert await first.result(timeout=SOON) == 200
        again = await producer.enqueue(report.of(2), job_id="report-2")
        assert (again.job_id, again.created) == (first.job_id, False)
        assert await again.result(timeout=SOON) == 200
        with pytest.raises(Conflict, match="report-2"):
            await producer.enqueue(report.of(3), job_id="report-2")
    assert starts == [2]
    assert await waiting(client) == 0


async def test_a11_stale_abort_entries_are_pruned_and_live_ones_stay(
    producer: Producer, client: Redis, link: Link
) -> None:
    """arq: its clean-up has a comparison inverted and drops only entries of the future; stale ones stay."""
    runs = await producer.enqueue(double.of(1))
    [claimed] = await claim_elsewhere(link, lease=60)
    assert claimed.job_id == runs.job_id
    waits = await producer.enqueue(double.of(2), delay=3600)
    now_ms = time.time() * 1000
    live = {runs.job_id: now_ms - HOUR_MS, waits.job_id: now_ms + HOUR_MS}
    await client.zadd(QUEUE.abort, {"gone": now_ms - HOUR_MS, "gone just now": now_ms, **live})
    aborts = Aborts(link, [QUEUE])
    assert await aborts.prune(QUEUE.abort) == 2
    assert await client.zrange(QUEUE.abort, 0, -1) == [runs.job_id.encode(), waits.job_id.encode()]
    assert await aborts.prune(QUEUE.abort) == 0


@pytest.fixture
def rival(redis_url: str) -> Iterator[Rival]:
    """Watches in its thread until the end of the test."""
    rival = Rival(redis_url)
    with ThreadPoolExecutor(1) as thread:
        watching = thread.submit(rival.watch)
        yield rival
        rival.over.set()
        rival.begin.set()
    watching.result()


async def past_restart_grace(client: Redis) -> None:
    """Until then a server that has just started gives nobody's lease to another worker."""

    async def is_past() -> bool:
        return int((await client.info("server"))["uptime_in_seconds"]) > RESTART_GRACE_SECONDS

    await eventually(is_past, within=RESTART_GRACE_SECONDS + SOON)


async def test_a12_code_that_blocks_the_loop_does_not_cost_the_job_its_lease(
    serve: Serve, producer: Producer, client: Redis, rival: Rival, monkeypatch: pytest.MonkeyPatch
) -> None:
    """arq: sync code blocks the loop, and with it the heartbeat: the worker looks dead to all others.

    Here the record of the worker would be gone, too, if nobody renewed it while the loop stands.
    """
    monkeypatch.setattr("monarq.worker.heartbeat.REPORT_EVERY", 0.2)
    monkeypatch.setattr("monarq.worker.heartbeat.REPORT_EVERY_IDLE", 0.2)
    monkeypatch.setattr("monarq.worker.heartbeat.REPORT_KEPT_MS", 3_000)
    await past_restart_grace(client)
    lease = 2.0
    fences: list[int] = []

    @job("resize")
    async def resize(ctx: JobContext) -> str:
        fences.append(ctx.fence)
        rival.begin.set()
        time.sleep(2 * lease)  # noqa: ASYNC251 - the very fault that is shown
        rival.over.set()
        return "resized"

    async with serve(resize, settings={"lease": lease}) as worker:
        rival.worker_key = WORKER + worker.worker_id
        await eventually(lambda: client.exists(rival.worker_key), within=SOON)
        handle = await producer.enqueue(resize.of())
        assert await handle.result(timeout=SOON) == "resized"
        assert await client.exists(rival.worker_key)
        assert worker.journal.refused == 0
    assert fences == [1]
    assert rival.looks > 10
    assert rival.stolen == []
    assert rival.missing == 0
    assert "failed:crash" not in await stats(client)
