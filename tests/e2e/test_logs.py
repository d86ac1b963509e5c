"""What workers write: enough to find a job by, and nothing that a job carries."""

import json

import pytest
from pydantic_core import to_json
from redis.asyncio import Redis

from monarq.jobs.errors import JobCancelled, JobFailed
from monarq.producer import Producer
from tests.integration.worker.deadlines import eventually

from .conftest import Stage
from .handlers import echo, fail, slow

pytestmark = pytest.mark.chaos
CANARY = "canary-7f3a91"
ALL_ENDS = '{"*": "all"}'


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_argument_and_no_result_is_ever_logged(
    stage: Stage, producer: Producer, client: Redis, log_format: str
) -> None:
    """Successes, failures, timeouts, cancellations, unfit arguments, unknown kinds, unreadable envelopes,
    interruptions, and a look at what runs; at the level of debug."""
    options = {"log_level": "debug", "log_ends": ALL_ENDS, "log_format": log_format, "drain_timeout": 0.2}
    worker = stage.worker(**options)
    await stage.ready(worker)
    assert await (await producer.enqueue(echo.of(CANARY))).result(timeout=60) == CANARY
    for call in (fail.of(CANARY), slow.of(CANARY)):
        with pytest.raises(JobFailed):
            await (await producer.enqueue(call)).result(timeout=60)
    cancelled = await producer.enqueue(slow.of(CANARY), delay=60)
    await cancelled.cancel()
    with pytest.raises(JobCancelled):
        await cancelled.result(timeout=60)
    for name, kind, arguments in (
        ("unfit", "e2e.echo", {"secret": [CANARY]}),
        ("surplus", "e2e.echo", {"secret": "x", "other": CANARY}),
        ("unknown", "e2e.nobody", {"secret": CANARY}),
    ):
        await put(client, name, to_json({"t": None, "f": kind, "a": [], "k": arguments, "et": 1}))
    await put(client, "unreadable", b'{"f": "' + CANARY.encode())
    await put(client, "pickled", b"\x80\x05" + CANARY.encode())
    for name in ("unfit", "surplus", "unreadable", "pickled"):
        await worker.says(name)
    await worker.says("unknown_kind")
    running = await producer.enqueue(slow.of(CANARY))
    await eventually(lambda: stage.ledger.starts(running.job_id))
    worker.stop()
    assert ("job.succeeded" if log_format == "json" else " ← ") in worker.log
    assert "declined" in worker.log
    assert [line for line in worker.log.splitlines() if CANARY in line] == []


async def put(client: Redis, job_id: str, body: bytes) -> None:
    await client.set(f"arq:job:{job_id}", body)
    await client.zadd("arq:queue", {job_id: 1})
    await client.rpush("monarq:wake:default", "1")


async def test_each_line_is_json_that_names_its_job(stage: Stage, producer: Producer) -> None:
    """In production; one object per line, tracebacks and all."""
    worker = stage.worker(log_ends=ALL_ENDS)
    await stage.ready(worker)
    handle = await producer.enqueue(fail.of(CANARY))
    with pytest.raises(JobFailed):
        await handle.result(timeout=60)
    done = await producer.enqueue(echo.of(CANARY))
    await done.result(timeout=60)
    await worker.says("job.succeeded")
    worker.stop()
    lines = [json.loads(line) for line in worker.log.splitlines()]
    # what a busy machine does to the loop is told, too, with the job that runs
    lines = [line for line in lines if not line["event"].startswith("worker.loop_")]
    by_job = {
        name: [line for line in lines if line.get("job_id") == name] for name in (handle.job_id, done.job_id)
    }
    assert [line["event"] for line in by_job[handle.job_id]] == ["job.retrying", "job.dead"]
    assert [(line["attempt"], line["error"]) for line in by_job[handle.job_id]] == [
        (1, "declined"),
        (2, "declined"),
    ]
    assert [line["event"] for line in by_job[done.job_id]] == ["working", "job.succeeded"]
    assert all(line["timestamp"] and line["level"] for line in lines)
    own = {line["worker"] for line in by_job[handle.job_id] + by_job[done.job_id]}
    assert own == {line["worker"] for line in lines if line["event"] == "worker.started"}
    assert len(own) == 1
