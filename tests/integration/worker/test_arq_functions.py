"""What was written for arq runs unchanged: its functions, its client, its `Retry`, its cron jobs."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus, ResultNotFound
from arq.worker import Retry, func
from redis.asyncio import Redis

from monarq.jobs.errors import JobFailed
from monarq.jobs.failure import Cause

from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, stats, waiting

Ctx = dict[Any, Any]
SOON = {"timeout": 20, "poll_delay": 0.02}


async def double(ctx: Ctx, number: int, *, plus: int = 0) -> int:
    return number * 2 + plus


async def fail(ctx: Ctx) -> None:
    raise ValueError(f"attempt {ctx['job_try']}")


async def enqueued(pool: ArqRedis, *args: Any, **kwargs: Any) -> Job:
    job = await pool.enqueue_job(*args, **kwargs)
    assert job is not None
    return job


async def test_a_plain_function_runs_by_arqs_own_enqueue_and_its_result_is_read_by_arqs_job(
    serve: Serve, pool: ArqRedis
) -> None:
    async with serve(double):
        job = await enqueued(pool, "double", 20, plus=2)
        assert await job.result(**SOON) == 42
        assert await job.status() is JobStatus.complete
        info = await job.result_info()
    assert info is not None
    assert (info.function, info.args, info.kwargs) == ("double", [20], {"plus": 2})
    assert (info.success, info.result, info.job_try, info.job_id) == (True, 42, 1, job.job_id)
    assert abs(info.finish_time - datetime.now(UTC)) < timedelta(seconds=10)


async def test_status_and_info_follow_a_job(serve: Serve, pool: ArqRedis) -> None:
    release = asyncio.Event()

    async def hold(ctx: Ctx, name: str) -> None:
        await release.wait()

    job = await enqueued(pool, "hold", "x")
    assert await job.status() is JobStatus.queued
    deferred = await enqueued(pool, "hold", "y", _defer_by=3600)
    assert await deferred.status() is JobStatus.deferred
    async with serve(func(hold, name="hold")):

        async def runs() -> bool:
            return await job.status() is JobStatus.in_progress

        await eventually(runs)
        info = await job.info()
        assert info is not None
        assert (info.function, info.args) == ("hold", ["x"])
        release.set()
        assert await job.result(**SOON) is None
        assert await job.status() is JobStatus.complete
    assert await Job("nobody", pool, _deserializer=pool.job_deserializer).status() is JobStatus.not_found


async def test_func_names_a_function_and_sets_its_limits(serve: Serve, pool: ArqRedis, client: Redis) -> None:
    async def slow(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    functions = [
        func(slow, name="slow", timeout=0.05, max_tries=1),
        func(double, name="kept", keep_result=77),
        func(double, name="for.ever", keep_result_forever=True),
    ]
    async with serve(*functions):
        late = await enqueued(pool, "slow")
        letter = await dead_letter(client, late.job_id)
        kept, for_ever = await enqueued(pool, "kept", 1), await enqueued(pool, "for.ever", 1)
        assert [await kept.result(**SOON), await for_ever.result(**SOON)] == [2, 2]
    assert letter.last.cause is Cause.TIMEOUT
    assert 70 < await client.ttl(f"arq:result:{kept.job_id}") <= 77
    assert await client.ttl(f"arq:result:{for_ever.job_id}") == -1


async def test_arqs_retry_runs_a_function_again_after_its_time(serve: Serve, pool: ArqRedis) -> None:
    starts: list[float] = []

    async def again(ctx: Ctx) -> int:
        starts.append(asyncio.get_running_loop().time())
        if ctx["job_try"] < 3:
            raise Retry(defer=ctx["job_try"] * 0.15)
        return int(ctx["job_try"])

    async with serve(func(again, name="again")):
        assert await (await enqueued(pool, "again")).result(**SOON) == 3
    assert starts[1] - starts[0] >= 0.14
    assert starts[2] - starts[1] >= 0.29


async def test_arqs_retry_ends_at_max_tries(serve: Serve, pool: ArqRedis, client: Redis) -> None:
    async def again(ctx: Ctx) -> None:
        raise Retry(defer=0)

    async with serve(func(again, name="again"), max_tries=3):
        letter = await dead_letter(client, (await enqueued(pool, "again")).job_id)
    assert [failure.spent for failure in letter.failures] == [1, 2, 3]


async def test_an_ordinary_exception_does_not_run_an_arq_function_again(
    serve: Serve, pool: ArqRedis, client: Redis
) -> None:
    """It was written under that rule.  But the job is kept, where arq would have dropped it."""
    async with serve(fail, max_tries=5):
        job = await enqueued(pool, "fail")
        with pytest.raises(JobFailed, match="attempt 1"):
            await job.result(**SOON)
        letter = await dead_letter(client, job.job_id)
    assert (letter.envelope.kind, len(letter.failures)) == ("fail", 1)


async def test_retry_errors_lifts_that_rule(serve: Serve, pool: ArqRedis, client: Redis) -> None:
    async with serve(fail, max_tries=3, retry_errors=True):
        letter = await dead_letter(client, (await enqueued(pool, "fail")).job_id)
    assert [failure.message for failure in letter.failures] == ["attempt 1", "attempt 2", "attempt 3"]


async def test_retry_jobs_false_takes_retry_for_an_error(serve: Serve, pool: ArqRedis, client: Redis) -> None:
    async def again(ctx: Ctx) -> None:
        raise Retry(defer=0)

    async with serve(func(again, name="again"), retry_jobs=False):
        letter = await dead_letter(client, (await enqueued(pool, "again")).job_id)
    assert len(letter.failures) == 1


async def test_enqueues_deferral_try_and_id_are_honoured(serve: Serve, pool: ArqRedis) -> None:
    starts: dict[str, float] = {}

    async def tell(ctx: Ctx) -> list[Any]:
        starts[ctx["job_id"]] = asyncio.get_running_loop().time()
        return [ctx["job_id"], ctx["job_try"]]

    async with serve(func(tell, name="tell")):
        began = asyncio.get_running_loop().time()
        later = await enqueued(pool, "tell", _job_id="later", _defer_by=0.4)
        third = await enqueued(pool, "tell", _job_id="third", _job_try=3)
        assert await third.result(**SOON) == ["third", 3]
        assert await later.result(**SOON) == ["later", 1]
        assert await pool.enqueue_job("tell", _job_id="later") is None
    assert starts["later"] - began >= 0.39


async def test_abort_cancels_a_deferred_job(serve: Serve, pool: ArqRedis) -> None:
    """Also where it begins in between: arq's client makes it due before it says that it is to be aborted."""

    async def hold(ctx: Ctx) -> None:
        await asyncio.Event().wait()

    async with serve(func(hold, name="hold")):
        job = await enqueued(pool, "hold", _defer_by=3600)
        assert await job.abort(**SOON) is True


async def test_abort_cancels_a_running_job_soon(serve: Serve, pool: ArqRedis, client: Redis) -> None:
    """Its handler too, not only its record."""
    ends: list[str] = []
    starts: list[int] = []

    async def hold(ctx: Ctx) -> None:
        starts.append(ctx["job_try"])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ends.append("cancelled")
            raise

    async with serve(func(hold, name="hold")) as worker:
        job = await enqueued(pool, "hold")
        await eventually(lambda: starts)
        assert await job.abort(**SOON) is True
        await eventually(lambda: ends == ["cancelled"])
        await eventually(lambda: not worker.runs)
        with pytest.raises(asyncio.CancelledError):
            await job.result(**SOON)
    assert starts == [1]
    assert await waiting(client) == 0
    assert await client.exists("arq:abort") == 0
    assert (await stats(client))["cancelled"] == 1


async def test_abort_of_a_job_that_has_ended_says_no(serve: Serve, pool: ArqRedis) -> None:
    async with serve(double):
        job = await enqueued(pool, "double", 1)
        await job.result(**SOON)
        assert await job.abort(**SOON) is False


async def test_a_result_that_is_not_kept_is_not_found(serve: Serve, pool: ArqRedis) -> None:
    async with serve(func(double, name="double", keep_result=0)):
        job = await enqueued(pool, "double", 1)
        with pytest.raises(ResultNotFound):
            await job.result(**SOON)


async def test_queued_jobs_and_all_job_results_still_answer(serve: Serve, pool: ArqRedis) -> None:
    deferred = await enqueued(pool, "double", 1, _defer_by=3600)
    async with serve(double):
        done = await enqueued(pool, "double", 2)
        await done.result(**SOON)
        [queued] = await pool.queued_jobs()
        [result] = await pool.all_job_results()
    assert (queued.job_id, queued.args) == (deferred.job_id, [1])
    assert (result.job_id, result.result) == (done.job_id, 4)


async def test_a_worker_settings_class_makes_a_worker(redis_url: str, pool: ArqRedis) -> None:
    """As `arq` itself reads it: any of its attributes that the constructor knows."""
    from arq.connections import RedisSettings

    from monarq.worker import Worker
    from monarq.worker.options import options_of

    class WorkerSettings:
        functions = [double]
        redis_settings = RedisSettings.from_dsn(redis_url)
        max_jobs = 3
        burst = True
        keep_result = timedelta(seconds=20)
        handle_signals = False
        unrelated = "of the app"

    job = await enqueued(pool, "double", 4)
    worker = Worker(**options_of(WorkerSettings, Worker))
    await worker.async_run()
    await worker.close()
    assert worker.slots.total == 3
    assert await job.result(**SOON) == 8


async def test_a_queue_of_another_name_is_served_under_arqs_name(serve: Serve, pool: ArqRedis) -> None:
    async with serve(double, queue_name="arq:queue:mail"):
        job = await enqueued(pool, "double", 4, _queue_name="arq:queue:mail")
        assert await job.result(**SOON) == 8


async def test_a_serializer_of_the_users_own_is_used_both_ways(serve: Serve, redis_url: str) -> None:
    """For what is no JSON object."""
    import marshal

    from arq.connections import RedisSettings, create_pool

    pool = await create_pool(
        RedisSettings.from_dsn(redis_url), job_serializer=marshal.dumps, job_deserializer=marshal.loads
    )
    async with serve(double, job_serializer=marshal.dumps, job_deserializer=marshal.loads):
        assert await (await enqueued(pool, "double", 4)).result(**SOON) == 8
    await pool.aclose()
