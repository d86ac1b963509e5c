"""`why` tells the truth at every step of a job's life, with real workers and without."""

import asyncio
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from pydantic_core import to_json
from redis.asyncio import Redis

from monarq import Explanation, Reason
from monarq.jobs import Discard, JobContext, State, job
from monarq.jobs.retry import fixed
from monarq.jobs.store.keys import FENCE, WORKER, WORKERS, queue_keys
from monarq.jobs.store.workers import live_workers
from monarq.producer import JobHandle, Producer
from monarq.worker import heartbeat

from .conftest import Serve
from .deadlines import eventually
from .explanations import check

A_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
#: With how far off it is.
TIME = rf"{A_TIME} \((in [\d.]+ \w+|[\d.]+ \w+ ago)\)"

started: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_started() -> None:
    started.clear()


@job("hold", max_attempts=5, timeout=None)
async def hold(ctx: JobContext) -> str:
    started.append(ctx.job_id)
    await asyncio.Event().wait()
    return ""


@job("fail", max_attempts=3, backoff=fixed(3600))
async def fail(ctx: JobContext) -> None:
    raise ValueError("no such parcel\nat all")


@job("fail.soon", max_attempts=2, backoff=fixed(0))
async def fail_soon(ctx: JobContext) -> None:
    raise ValueError("boom")


@job("refuse")
async def refuse(ctx: JobContext) -> None:
    raise Discard("not ours")


@job("greet")
async def greet(ctx: JobContext) -> str:
    return "hello"


async def reported(producer: Producer, workers: int = 1) -> None:
    """Wait until so many workers have said what they are."""
    await eventually(lambda: _has(producer, workers))


async def _has(producer: Producer, workers: int) -> bool:
    return len(await live_workers(producer._link)) == workers


async def holding(serve: Serve, producer: Producer) -> JobHandle[Any]:
    handle = await producer.enqueue(hold.of())
    await eventually(lambda: handle.job_id in started)
    await reported(producer)
    return handle


# --- waiting


async def test_nobody_serves_the_queue(producer: Producer) -> None:
    handle = await producer.enqueue(greet.of(), queue="mail")
    told = await handle.why()
    check(
        told,
        State.READY,
        Reason.UNSERVED,
        rf"It is ready since {TIME}, but no live worker serves queue mail\.",
    )
    assert (told.facts["queue"], told.facts["kind"], told.facts["serving"]) == ("mail", "greet", [])


async def test_nobody_knows_the_kind(serve: Serve, producer: Producer) -> None:
    async with serve(greet):
        await reported(producer)
        handle = await producer.enqueue(hold.of())
        nobody = r"no live worker that serves queue default knows kind hold"
        await eventually(lambda: _is(handle, State.SCHEDULED))
        check(
            await handle.why(),
            State.SCHEDULED,
            Reason.UNKNOWN_KIND,
            rf"It was handed back, since {nobody}; it is looked at again at {TIME}\.",
        )


async def _is(handle: JobHandle[Any], state: State) -> bool:
    return await handle.status() is state


async def test_waiting_behind_others(serve: Serve, producer: Producer) -> None:
    async with serve(hold, greet, max_jobs=1):
        await holding(serve, producer)
        for priority in ("high", "high", "normal"):
            await producer.enqueue(greet.of(), priority=priority)
        handle = await producer.enqueue(greet.of())
        told = await handle.why()
        check(
            told,
            State.READY,
            Reason.BEHIND,
            rf"It is ready since {TIME}, and waits behind 2 of priority high and 1 of its own priority "
            rf"normal; its 1 worker last reported \d of 1 slots busy\.",
        )
        assert told.facts["ahead"] == {"critical": 0, "high": 2, "normal": 1, "low": 0}


async def test_the_next_one(serve: Serve, producer: Producer) -> None:
    async with serve(hold, greet, max_jobs=1):
        await holding(serve, producer)
        handle = await producer.enqueue(greet.of())
        check(
            await handle.why(),
            State.READY,
            Reason.NEXT,
            rf"It is ready since {TIME}, and is the next of queue default to be claimed; "
            rf"its 1 worker last reported \d of 1 slots busy\.",
        )


async def test_a_deadline_that_has_passed_is_told_before_anybody_has_noticed(
    serve: Serve, producer: Producer
) -> None:
    async with serve(hold, greet, max_jobs=1):
        await holding(serve, producer)
        handle = await producer.enqueue(greet.of(), expires_in=0.01)
        told = await eventually(lambda: _late(handle))
        assert told.reason is Reason.NEXT
        assert re.search(
            rf"but too late \(its deadline passed at {TIME}: it will end as expired\)", told.sentence
        )


async def _late(handle: JobHandle[Any]) -> Explanation | None:
    told = await handle.why()
    return told if "too late" in told.sentence else None


async def test_a_job_that_is_scheduled(serve: Serve, producer: Producer) -> None:
    async with serve(greet):
        await reported(producer)
        handle = await producer.enqueue(greet.of(), delay=timedelta(hours=3))
        check(await handle.why(), State.SCHEDULED, Reason.SCHEDULED, rf"It is scheduled for {TIME}\.")


async def test_what_will_hold_a_scheduled_job_up_is_told_in_time(producer: Producer) -> None:
    handle = await producer.enqueue(greet.of(), delay=timedelta(hours=3))
    check(
        await handle.why(),
        State.SCHEDULED,
        Reason.SCHEDULED,
        rf"It is scheduled for {TIME}; as things stand, no live worker serves queue default\.",
    )


@pytest.mark.parametrize("is_parked", [False, True], ids=["not looked at", "put aside"])
async def test_a_paused_kind(serve: Serve, producer: Producer, is_parked: bool) -> None:
    await producer.pauses.pause(
        kind="greet", why="the printer is on fire", by="ann", until=timedelta(hours=1)
    )
    handle = await producer.enqueue(greet.of())
    if is_parked:
        async with serve(greet) as worker:
            await eventually(lambda: worker.fetcher._idle is not None)
    told = await handle.why()
    check(
        told,
        State.READY,
        Reason.PAUSED,
        rf"It is ready since {TIME}, but kind greet is paused by ann since {A_TIME}, until {A_TIME}: "
        r"the printer is on fire\.",
    )
    assert told.facts["pauses"][0]["by"] == "ann"
    assert told.facts.get("put_aside", False) == is_parked


async def test_a_paused_queue(producer: Producer) -> None:
    handle = await producer.enqueue(greet.of())
    await producer.pauses.pause("default", why="deploy", by="bob")
    check(
        await handle.why(),
        State.READY,
        Reason.PAUSED,
        rf"It is ready since {TIME}, but queue default is paused by bob since {A_TIME}, "
        r"until somebody resumes it: deploy\.",
    )
    await producer.pauses.resume("default")
    assert (await handle.why()).reason is Reason.UNSERVED


async def test_a_pause_of_another_kind_is_no_hindrance(producer: Producer) -> None:
    handle = await producer.enqueue(greet.of())
    await producer.pauses.pause(kind="hold", why="deploy")
    assert (await handle.why()).reason is Reason.UNSERVED


async def test_a_job_that_is_retried(serve: Serve, producer: Producer) -> None:
    async with serve(fail):
        handle = await producer.enqueue(fail.of())
        await reported(producer)
        await eventually(lambda: _is(handle, State.RETRYING))
        told = await handle.why()
        check(
            told,
            State.RETRYING,
            Reason.RETRYING,
            rf"It is tried again at {TIME}, after ValueError: no such parcel at all \(attempt 1 of 3\)\.",
        )
        assert (told.facts["attempts_spent"], told.facts["max_attempts"]) == (1, 3)
        assert told.facts["last_failure"]["cause"] == "error"


# --- running


async def test_a_job_that_runs(serve: Serve, producer: Producer) -> None:
    async with serve(hold) as worker:
        handle = await holding(serve, producer)
        told = await handle.why()
        check(
            told,
            State.RUNNING,
            Reason.RUNNING,
            rf"Worker {worker.worker_id} runs it \(attempt 1 of 5\); its lease holds until {TIME}\.",
        )
        assert told.facts["worker"] == worker.worker_id
        assert "due_at" not in told.facts


async def test_a_job_that_is_to_stop(
    serve: Serve, producer: Producer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "TICK", 60.0)  # so that its worker does not hear of it meanwhile
    handle = await producer.enqueue(hold.of())
    async with serve(hold, settings={"lease": 600}):
        await eventually(lambda: handle.job_id in started)
        await client.zadd(queue_keys("default").abort, {handle.job_id: 1})
        told = await handle.why()
        assert re.search(rf", and its cancellation was asked for at {TIME}\.", told.sentence)


async def test_a_job_that_a_worker_of_arqs_runs(producer: Producer, client: Redis) -> None:
    handle = await producer.enqueue(greet.of())
    await client.set(FENCE + handle.job_id, "1", px=60_000)
    check(await handle.why(), State.RUNNING, Reason.RUNNING, r"A worker of arq's own runs it\.")


async def test_a_running_job_that_arqs_abort_has_moved_runs(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(hold):
        handle = await holding(serve, producer)
        await client.zadd(queue_keys("default").ranks[2], {handle.job_id: 1})
        assert (await handle.why()).state is State.RUNNING


async def test_a_job_whose_worker_is_lost(serve: Serve, producer: Producer, client: Redis) -> None:
    handle = await producer.enqueue(greet.of())
    keys = queue_keys("default")
    await client.set(FENCE + handle.job_id, "web-7:1", px=60_000)
    await client.zadd(keys.ranks[2], {handle.job_id: 1_764_000_000_000})
    await client.zadd(keys.running, {handle.job_id: 1_764_000_000_000})
    lost = rf"Its worker web-7 died, froze or lost its connection: its lease ran out at {TIME}"
    check(
        await handle.why(),
        State.READY,
        Reason.UNSERVED,
        rf"{lost}, but no live worker serves queue default\.",
    )
    told = {"worker": "web-7", "host": "h", "pid": 1, "queues": {"default": 0}, "kinds": ["greet"]}
    told |= {"slots": 1, "busy": 1, "stopping": False}
    await client.set(f"{WORKER}web-7", to_json(told))
    await client.zadd(WORKERS, dict.fromkeys(("web-7", "web-8"), time.time() * 1000 + 60_000))
    assert (await handle.why()).reason is Reason.UNSERVED, "that report is the last word of a lost worker"
    await client.set(f"{WORKER}web-8", to_json({**told, "worker": "web-8"}))
    check(
        await handle.why(), State.READY, Reason.LAPSED, rf"{lost}; the next claim of queue default takes it\."
    )


# --- ended


async def test_a_job_that_has_succeeded(serve: Serve, producer: Producer) -> None:
    async with serve(greet):
        handle = await producer.enqueue(greet.of())
        await handle.result(timeout=20)
        told = await handle.why()
        check(
            told,
            State.SUCCEEDED,
            Reason.ENDED,
            rf"It succeeded at {TIME}, in attempt 1; its result is kept until {TIME}\.",
        )
        assert told.facts["kind"] == "greet"


async def test_a_job_that_was_cancelled(producer: Producer) -> None:
    handle = await producer.enqueue(greet.of())
    await handle.cancel()
    check(
        await handle.why(), State.CANCELLED, Reason.ENDED, rf"It was cancelled at {TIME}: .+; its result.+\."
    )


async def test_a_job_that_has_expired(serve: Serve, producer: Producer) -> None:
    handle = await producer.enqueue(greet.of(), expires_in=0.001)
    async with serve(greet):  # its start takes longer than that
        await eventually(lambda: _is(handle, State.EXPIRED))
        check(
            await handle.why(),
            State.EXPIRED,
            Reason.ENDED,
            rf"It expired at {TIME}: its deadline passed before attempt 1; "
            rf"its result is kept until {TIME}\.",
        )


async def test_a_dead_letter(serve: Serve, producer: Producer) -> None:
    async with serve(fail_soon, refuse):
        dead, refused = await producer.enqueue(fail_soon.of()), await producer.enqueue(refuse.of())
        await reported(producer)
        await eventually(lambda: _is_dead(dead, refused))
        check(
            await dead.why(),
            State.DEAD,
            Reason.DEAD,
            rf"It is dead since {TIME}, because of ValueError: boom \(attempt 2 of 2\)\.",
        )
        told = await refused.why()
        assert re.fullmatch(
            rf"It is dead since {TIME}, because of Discard: not ours \(attempt 1 of 5\)\.", told.sentence
        )


async def _is_dead(*handles: JobHandle[Any]) -> bool:
    return all([(await handle.why()).state is State.DEAD for handle in handles])


async def test_a_job_that_never_was(producer: Producer) -> None:
    told = await producer.why("nobody")
    check(
        told,
        None,
        Reason.NO_TRACE,
        r"There is no trace of it: it never existed, or it ended and its result is no longer kept\.",
    )
