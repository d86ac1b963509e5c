"""Handlers that end in ways nobody expects: each ends classified, once, and the worker lives on."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, stats, waiting


class BrokenStr(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class BrokenRepr(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BrokenStrType(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


class Unserialisable:
    pass


@job("survivor")
async def survivor(ctx: JobContext) -> str:
    return "alive"


def group() -> BaseException:
    return ExceptionGroup("both failed", [ValueError("left"), OSError("right")])


def base_group() -> BaseException:
    return BaseExceptionGroup("worse", [KeyboardInterrupt(), ValueError("left")])


@pytest.mark.parametrize(
    ("make_error", "error_type", "attempts"),
    [
        (asyncio.CancelledError, "CancelledError", 2),
        (lambda: SystemExit(3), "SystemExit", 2),
        (KeyboardInterrupt, "KeyboardInterrupt", 2),
        (GeneratorExit, "GeneratorExit", 2),
        (base_group, "BaseExceptionGroup", 2),
        (group, "ExceptionGroup", 2),
        (StopAsyncIteration, "StopAsyncIteration", 2),
        (StopIteration, "RuntimeError", 2),
        (MemoryError, "MemoryError", 2),
        (RecursionError, "RecursionError", 2),
        (lambda: BrokenStr("x"), "BrokenStr", 2),
        (lambda: BrokenRepr("x"), "BrokenRepr", 2),
        (lambda: BrokenStrType("x"), "BrokenStrType", 2),
        (lambda: ValueError("lone \ud800 surrogate"), "ValueError", 2),
        (lambda: ValueError("x" * 5_000_000), "ValueError", 2),
    ],
)
async def test_whatever_a_handler_raises_is_its_own_end_only(
    serve: Serve,
    producer: Producer,
    client: Redis,
    make_error: Callable[[], BaseException],
    error_type: str,
    attempts: int,
) -> None:
    """What is no `Exception` is a failure like any other: nobody had told the handler to stop."""

    @job("strange", max_attempts=2, backoff=fixed(0))
    async def strange(ctx: JobContext) -> None:
        raise make_error()

    async with serve(strange, survivor) as worker:
        handle = await producer.enqueue(strange.of())
        letter = await dead_letter(client, handle.job_id)
        assert await (await producer.enqueue(survivor.of())).result(timeout=20) == "alive"
        await eventually(lambda: not worker.runs)
        assert worker.slots.busy == 0
    assert {failure.error_type for failure in letter.failures} == {error_type}
    assert len(letter.failures) == attempts
    assert all(len(failure.message) < 5_000 for failure in letter.failures)
    assert (await stats(client))["dead"] == 1
    assert await waiting(client) == 0


async def test_each_error_of_a_group_is_told_in_the_traceback(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("together", max_attempts=1)
    async def together(ctx: JobContext) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fail("left"))
            tasks.create_task(fail("right"))

    async def fail(side: str) -> None:
        raise ValueError(f"{side} failed")

    async with serve(together):
        letter = await dead_letter(client, (await producer.enqueue(together.of())).job_id)
    assert "left failed" in letter.last.traceback
    assert "right failed" in letter.last.traceback


def unserialisable() -> Any:
    return Unserialisable()


def cyclic() -> Any:
    ring: list[Any] = []
    ring.append(ring)
    return ring


def surrogate() -> Any:
    return "lone \ud800 surrogate"


@pytest.mark.parametrize("make_result", [unserialisable, cyclic, surrogate])
async def test_a_result_without_a_json_form_is_a_failure(
    serve: Serve, producer: Producer, client: Redis, make_result: Callable[[], Any]
) -> None:
    """Not a lost job, nor a result that nobody can read."""

    @job("odd", max_attempts=2, backoff=fixed(0))
    async def odd(ctx: JobContext) -> Any:
        return make_result()

    async with serve(odd, survivor):
        letter = await dead_letter(client, (await producer.enqueue(odd.of())).job_id)
        assert await (await producer.enqueue(survivor.of())).result(timeout=20) == "alive"
    assert len(letter.failures) == 2
    assert letter.last.message


async def test_a_result_of_another_type_than_declared_is_a_failure(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("liar", max_attempts=1)
    async def liar(ctx: JobContext) -> int:
        return "not a number"  # type: ignore[return-value]

    async with serve(liar):
        letter = await dead_letter(client, (await producer.enqueue(liar.of())).job_id)
    assert "int" in letter.last.message


async def test_a_swallowed_cancellation_at_the_timeout_lets_the_handler_finish(
    serve: Serve, producer: Producer
) -> None:
    """It had been told to stop and returned something instead: that is its result."""

    @job("stubborn", timeout=0.05)
    async def stubborn(ctx: JobContext) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "finished anyway"
        return "never"

    async with serve(stubborn) as worker:
        assert await (await producer.enqueue(stubborn.of())).result(timeout=20) == "finished anyway"
        assert worker.slots.busy == 0


async def test_a_handler_that_will_not_stop_cannot_hold_the_worker_up(
    serve: Serve, producer: Producer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job goes back at the end of the drain time, for another worker to run."""
    monkeypatch.setattr("monarq.worker.drain.LAST_GRACE", 0.2)
    begun, release = asyncio.Event(), asyncio.Event()

    @job("stuck")
    async def stuck(ctx: JobContext) -> None:
        begun.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with serve(stuck, settings={"drain_timeout": 0.1}) as worker:
        handle = await producer.enqueue(stuck.of())
        await asyncio.wait_for(begun.wait(), timeout=20)  # in Redis it runs before its worker knows
        worker.handle_sig(signal.SIGTERM)
        await asyncio.wait_for(asyncio.shield(worker.main_task), timeout=20)  # type: ignore[arg-type]
        assert worker.exit_code == 75
        assert await client.exists(f"arq:in-progress:{handle.job_id}") == 0
        assert await waiting(client) == 1
        release.set()
