"""arq's hooks: called when arq calls them, with arq's `ctx`, and unable to hurt the worker."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from arq.connections import ArqRedis
from redis.asyncio import Redis

from monarq.jobs import JobContext, job, log
from monarq.jobs.errors import JobFailed
from monarq.jobs.retry import fixed
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, stats

Ctx = dict[Any, Any]
KEYS = {"job_id", "job_try", "enqueue_time", "score", "redis"}


@job("greet", max_attempts=2, backoff=fixed(0))
async def greet(ctx: JobContext) -> str:
    return "hello"


async def test_all_hooks_are_called_in_their_order_with_arqs_keys(serve: Serve, producer: Producer) -> None:
    calls: list[tuple[str, Ctx]] = []

    def hook(name: str) -> Any:
        async def note(ctx: Ctx) -> None:
            calls.append((name, ctx))

        return note

    @job("greet")
    async def greet(ctx: JobContext) -> None:
        calls.append(("handler", ctx))

    names = ["on_startup", "on_job_start", "on_job_end", "after_job_end", "on_shutdown"]
    async with serve(greet, **{name: hook(name) for name in names}):
        handle = await producer.enqueue(greet.of())
        await handle.result(timeout=20)
        await eventually(lambda: calls[-1][0] == "after_job_end")
    assert [name for name, _ in calls] == [*names[:2], "handler", *names[2:]]
    startup, start, handler, end, after, shutdown = (ctx for _, ctx in calls)
    assert startup is shutdown
    assert start is handler is end is after
    assert handler.keys() >= KEYS
    assert (handler["job_id"], handler["job_try"]) == (handle.job_id, 1)
    assert isinstance(handler["enqueue_time"], datetime)
    assert isinstance(handler["score"], int)
    assert isinstance(handler["redis"], ArqRedis)


async def test_lines_that_after_job_end_writes_are_about_its_own_job(
    serve: Serve, producer: Producer
) -> None:
    """Whose ends are recorded together, their hooks are called by the task of one of them."""
    current: dict[str, str | None] = {}

    async def after_job_end(ctx: JobContext) -> None:
        told = log.add_job(None, "info", {"event": "over"})
        current[ctx.job_id] = told.get("job_id")

    async with serve(greet, after_job_end=after_job_end):
        handles = await producer.enqueue_many([greet.of() for _ in range(20)])
        await eventually(lambda: len(current) == len(handles))
    assert [job_id for job_id, named in current.items() if named != job_id] == []


async def test_what_on_startup_puts_into_ctx_reaches_handlers_and_on_shutdown(
    serve: Serve, producer: Producer
) -> None:
    closed: list[str] = []

    async def on_startup(ctx: Ctx) -> None:
        ctx["db"] = "a pool"

    async def on_shutdown(ctx: Ctx) -> None:
        closed.append(ctx["db"])

    @job("use")
    async def use(ctx: JobContext) -> str:
        ctx["own"] = "for this job only"
        return str(ctx["db"])

    async with serve(use, on_startup=on_startup, on_shutdown=on_shutdown) as worker:
        assert await (await producer.enqueue(use.of())).result(timeout=20) == "a pool"
        assert "own" not in worker.ctx
    assert closed == ["a pool"]


@pytest.mark.parametrize(
    "error", [RuntimeError("hook"), SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt()]
)
async def test_an_on_job_start_that_raises_fails_its_job_and_not_the_worker(
    serve: Serve, producer: Producer, client: Redis, error: BaseException
) -> None:
    broken = True

    async def on_job_start(ctx: Ctx) -> None:
        if broken:
            raise error

    async with serve(greet, on_job_start=on_job_start):
        handle = await producer.enqueue(greet.of())
        letter = await dead_letter(client, handle.job_id)
        assert letter.last.error_type == type(error).__name__
        broken = False
        assert await (await producer.enqueue(greet.of())).result(timeout=20) == "hello"


@pytest.mark.parametrize("hook", ["on_job_end", "after_job_end"])
@pytest.mark.parametrize(
    "error", [RuntimeError("hook"), SystemExit(1), asyncio.CancelledError(), KeyboardInterrupt()]
)
async def test_a_hook_after_the_handler_cannot_change_how_the_job_ended(
    serve: Serve, producer: Producer, client: Redis, hook: str, error: BaseException
) -> None:
    called: list[str] = []

    async def raises(ctx: Ctx) -> None:
        called.append(ctx["job_id"])
        raise error

    async with serve(greet, **{hook: raises}):
        handles = [await producer.enqueue(greet.of()) for _ in range(3)]
        assert [await handle.result(timeout=20) for handle in handles] == ["hello"] * 3
        await eventually(lambda: len(called) == 3)
    assert (await stats(client))["succeeded"] == 3


async def test_hooks_are_called_for_failures_too(serve: Serve, producer: Producer) -> None:
    ended: list[int] = []

    async def on_job_end(ctx: Ctx) -> None:
        ended.append(ctx["job_try"])

    @job("fail", max_attempts=2, backoff=fixed(0))
    async def fail(ctx: JobContext) -> None:
        raise ValueError

    async with serve(fail, on_job_end=on_job_end):
        with pytest.raises(JobFailed):
            await (await producer.enqueue(fail.of())).result(timeout=20)
    assert ended == [1, 2]


async def test_an_on_startup_that_raises_ends_the_worker_before_it_takes_a_job(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """Without what it sets up, every job would fail."""

    async def on_startup(ctx: Ctx) -> None:
        raise ConnectionError("no database")

    handle = await producer.enqueue(greet.of())
    with pytest.raises(ConnectionError, match="no database"):
        async with serve(greet, on_startup=on_startup) as worker:
            await asyncio.wait([worker.main_task], timeout=20)  # type: ignore[list-item]
    assert await client.zscore("arq:queue", handle.job_id)
    assert await client.exists("arq:in-progress:" + handle.job_id) == 0


async def test_an_on_shutdown_that_raises_leaves_no_connection_open(serve: Serve, client: Redis) -> None:
    async def on_shutdown(ctx: Ctx) -> None:
        raise ConnectionError("gone already")

    before = len(await client.client_list())
    with pytest.raises(ConnectionError):
        async with serve(greet, on_shutdown=on_shutdown) as worker:
            await eventually(lambda: worker.fetcher._idle is not None)

    async def all_closed() -> bool:
        return len(await client.client_list()) <= before

    await eventually(all_closed)
