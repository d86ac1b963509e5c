"""A typed job's good way: enqueued, run, its result read."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import BaseModel
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import JobNotFound
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import stats, waiting


class Invoice(BaseModel):
    number: int
    due: datetime


@job()
async def add(ctx: JobContext, left: int, right: int = 1) -> int:
    return left + right


@job("invoice.raise")
async def raise_invoice(ctx: JobContext, invoice: Invoice, by: timedelta) -> Invoice:
    return Invoice(number=invoice.number + 1, due=invoice.due + by)


async def test_a_job_runs_and_its_result_reaches_who_waits(serve: Serve, producer: Producer) -> None:
    async with serve(add):
        handle = await producer.enqueue(add.of(2, right=3))
        assert await handle.result(timeout=20) == 5
        assert await handle.status() is State.SUCCEEDED


async def test_a_missing_argument_has_the_handlers_default(serve: Serve, producer: Producer) -> None:
    async with serve(add):
        assert await (await producer.enqueue(add.of(2))).result(timeout=20) == 3


async def test_models_dates_and_spans_survive_the_journey_both_ways(serve: Serve, producer: Producer) -> None:
    monday = datetime(2024, 2, 26, tzinfo=UTC)
    async with serve(raise_invoice):
        handle = await producer.enqueue(raise_invoice.of(Invoice(number=1, due=monday), by=timedelta(days=7)))
        assert await handle.result(timeout=20) == Invoice(number=2, due=monday + timedelta(days=7))


async def test_what_was_enqueued_before_the_worker_started_runs(serve: Serve, producer: Producer) -> None:
    handles = [await producer.enqueue(add.of(number)) for number in range(20)]
    async with serve(add):
        assert [await handle.result(timeout=20) for handle in handles] == list(range(1, 21))


async def test_the_context_tells_a_handler_about_its_job(serve: Serve, producer: Producer) -> None:
    seen: list[JobContext] = []

    @job("look")
    async def look(ctx: JobContext) -> None:
        seen.append(ctx)

    async with serve(look, ctx={"pool": "from the app"}):
        handle = await producer.enqueue(look.of(), job_id="order-7")
        await handle.result(timeout=20)
    [ctx] = seen
    assert (ctx.job_id, ctx.kind, ctx.queue, ctx.attempt, ctx.fence) == ("order-7", "look", "default", 1, 1)
    assert (ctx["job_id"], ctx["job_try"], ctx["pool"]) == ("order-7", 1, "from the app")
    assert abs(ctx["enqueue_time"] - datetime.now(UTC)) < timedelta(seconds=10)


async def test_nothing_is_left_of_a_job_but_its_result(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(add):
        handle = await producer.enqueue(add.of(1))
        await handle.result(timeout=20)
    keys = {key.decode() for key in await client.keys(f"*{handle.job_id}*")}
    assert keys == {f"arq:result:{handle.job_id}"}
    assert await waiting(client) == 0
    assert (await stats(client))["succeeded"] == 1
    assert 3_500 < await client.ttl(f"arq:result:{handle.job_id}") <= 3_600


async def test_keep_result_zero_keeps_none_and_none_keeps_it_for_ever(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("forget", keep_result=0)
    async def forget(ctx: JobContext) -> int:
        return 1

    @job("remember", keep_result=None)
    async def remember(ctx: JobContext) -> int:
        return 2

    async with serve(forget, remember):
        forgotten = await producer.enqueue(forget.of())
        with pytest.raises(JobNotFound):
            await forgotten.result(timeout=20)
        remembered = await producer.enqueue(remember.of())
        assert await remembered.result(timeout=20) == 2
        assert await client.ttl(f"arq:result:{remembered.job_id}") == -1


async def test_handlers_of_one_worker_run_at_the_same_time(serve: Serve, producer: Producer) -> None:
    meeting = asyncio.Barrier(10)

    @job("meet")
    async def meet(ctx: JobContext) -> None:
        await meeting.wait()

    async with serve(meet):
        handles = [await producer.enqueue(meet.of()) for _ in range(10)]
        await asyncio.gather(*(handle.result(timeout=20) for handle in handles))


async def test_a_job_that_waits_for_its_time_is_scheduled_then_runs(serve: Serve, producer: Producer) -> None:
    async with serve(add):
        handle = await producer.enqueue(add.of(1), delay=0.4)
        assert await handle.status() is State.SCHEDULED
        assert await handle.result(timeout=20) == 2


async def test_status_tells_of_a_running_job(serve: Serve, producer: Producer) -> None:
    release = asyncio.Event()

    @job("hold")
    async def hold(ctx: JobContext) -> None:
        await release.wait()

    async with serve(hold):
        handle = await producer.enqueue(hold.of())

        async def runs() -> bool:
            return await handle.status() is State.RUNNING

        await eventually(runs)
        release.set()
        await handle.result(timeout=20)
