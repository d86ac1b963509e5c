"""Whatever blocks the event loop is named: job, kind and stack."""

import asyncio
import time
from typing import Any

from structlog.testing import capture_logs

from monarq.jobs import JobContext, job
from monarq.producer import Producer

from .conftest import Serve
from .deadlines import eventually


def compute(seconds: float) -> None:
    time.sleep(seconds)


@job("watch.block")
async def block(ctx: JobContext, seconds: float) -> None:
    compute(seconds)


@job("watch.wait")
async def wait(ctx: JobContext, seconds: float) -> None:
    await asyncio.sleep(seconds)


@job("watch.thread")
def thread(ctx: JobContext, seconds: float) -> None:
    compute(seconds)


def told(lines: list[Any], event: str = "worker.loop_blocked") -> list[Any]:
    return [line for line in lines if line["event"] == event]


async def test_a_job_that_blocks_the_loop_is_named_once_with_its_stack(
    serve: Serve, producer: Producer
) -> None:
    with capture_logs() as lines:
        async with serve(block, wait) as worker:
            neighbour = await producer.enqueue(wait.of(2.0))
            handle = await producer.enqueue(block.of(2.5))
            await handle.result(timeout=20)
            await neighbour.result(timeout=20)
            await eventually(lambda: told(lines, "worker.loop_free"))
            assert worker.journal.loop_blocks == 1
            assert worker.heartbeat._report()["loop_blocks"] == 1
    [line] = told(lines)
    assert (line["job_id"], line["kind"]) == (handle.job_id, "watch.block")
    assert line["seconds"] >= 1.0
    assert "compute(seconds)" in line["stack"]
    assert "time.sleep(seconds)" in line["stack"]
    [free] = told(lines, "worker.loop_free")
    assert free["seconds"] >= 1.5


async def test_what_does_not_block_the_loop_is_not_named(serve: Serve, producer: Producer) -> None:
    """Not a job that waits, nor one that is busy in a thread, however long; nor one that is brief."""
    with capture_logs() as lines:
        async with serve(wait, thread, block):
            handles = [await producer.enqueue(call) for call in (wait.of(2.0), thread.of(2.0), block.of(0.3))]
            for handle in handles:
                await handle.result(timeout=20)
    assert told(lines) == []


async def test_what_blocks_the_loop_outside_of_a_job_is_shown_by_its_stack(
    serve: Serve, producer: Producer
) -> None:
    with capture_logs() as lines:
        async with serve(wait) as worker:
            worker.loop.call_soon(compute, 3.0)
            await eventually(lambda: told(lines))
    [line] = told(lines)
    assert "job_id" not in line
    assert "time.sleep(seconds)" in line["stack"]
