"""Jobs that cannot run: what is wrong with each is told, and none of them hurts the others."""

import asyncio
import os
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from arq.connections import ArqRedis
from pydantic_core import to_json
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import JobFailed
from monarq.jobs.failure import Cause, Failure
from monarq.producer import Producer

from . import child_kinds
from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, failures_of, stats, waiting


@job("add")
async def add(ctx: JobContext, left: int, right: int = 1) -> int:
    return left + right


@job("added.later")
async def added_later(ctx: JobContext) -> str:
    return "deployed"


class Bomb:
    """Whoever unpickles it touches a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


async def put(client: Redis, job_id: str, body: bytes) -> None:
    """What a hostile or broken producer might write."""
    await client.set(f"arq:job:{job_id}", body)
    await client.zadd("arq:queue", {job_id: 1})
    await client.rpush("monarq:wake:default", "1")


def envelope(kind: str = "add", **changes: Any) -> bytes:
    return to_json({"t": None, "f": kind, "a": [], "k": {"left": 1}, "et": 1_700_000_000_000} | changes)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"k": {"left": "one"}}, "left"),
        ({"k": {}}, "left"),
        ({"k": {"left": 1, "middle": 2}}, "middle"),
        ({"k": {"left": None}}, "left"),
        ({"a": [1, 2, 3]}, "arguments"),
        ({"a": [1], "k": {"left": 2}}, "left"),
        ({"k": {"left": {"deep": [[[]]]}}}, "left"),
    ],
)
async def test_arguments_that_do_not_fit_are_a_dead_letter_that_names_them(
    serve: Serve, client: Redis, producer: Producer, arguments: dict[str, Any], named: str
) -> None:
    """At run time, when they come from elsewhere or from before a change; never retried, never a crash."""
    async with serve(add):
        await put(client, "odd", envelope(**arguments))
        letter = await dead_letter(client, "odd")
        assert await (await producer.enqueue(add.of(1))).result(timeout=20) == 2
    [failure] = letter.failures
    assert (failure.error_type, failure.cause) == ("InvalidArguments", Cause.ERROR)
    assert failure.message.startswith("add: ")
    assert named in failure.message


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"{}",
        b"\xff\xfe\x00",
        b"not json",
        envelope(f=None),
        envelope(a={}),
        envelope(k=[]),
        envelope(et="yesterday"),
        envelope(m="x"),
        envelope(t="first"),
        envelope(et=10**30),
        envelope(et=-(10**17)),
        envelope(m={"x": 10**30, "p": 7, "q": [], "h": {}}),
        b'{"f":"add","a":[],"k":{"left":' + b"[" * 100_000 + b"]" * 100_000 + b'},"et":1}',
        b'{"f":"add","a":[],"k":{"left":1},"et":1}' + b" " * 5_000_000,
    ],
    ids=range(17),
)
async def test_an_envelope_that_cannot_be_read_hurts_nobody_else(
    serve: Serve, client: Redis, producer: Producer, body: bytes
) -> None:
    """Unreadable is a dead letter; odd but readable may run.  Neither is lost, nor run twice."""
    async with serve(add, max_jobs=5) as worker:
        await put(client, "odd", body)
        good = [await producer.enqueue(add.of(number)) for number in range(5)]
        assert [await handle.result(timeout=20) for handle in good] == [1, 2, 3, 4, 5]
        await eventually(lambda: worker.journal.complete + worker.journal.failed == 6)
    assert await waiting(client) == 0
    ended_dead = await client.zscore("monarq:dead:default", "odd") is not None
    ended_well = (await stats(client))["succeeded"] == 6
    assert ended_dead is not ended_well
    if ended_dead:
        assert await client.get("monarq:dead-letter:odd") == body
        assert (await failures_of(client, "odd"))[-1].message


@pytest.mark.parametrize(
    "job_id",
    [b"with blanks", b"quo\"te'", b"line\nbreak", b"{slot}x", b"a:b", b"\xff\xfe\x00", b"caf\xc3\xa9"],
)
async def test_an_id_of_any_bytes_hurts_nobody_else(
    serve: Serve, client: Redis, producer: Producer, job_id: bytes
) -> None:
    await client.set(b"arq:job:" + job_id, envelope())
    await client.zadd("arq:queue", {job_id: 1})
    async with serve(add) as worker:
        good = [await producer.enqueue(add.of(number)) for number in range(5)]
        assert [await handle.result(timeout=20) for handle in good] == [1, 2, 3, 4, 5]
        await eventually(lambda: worker.journal.complete == 6)
    assert await waiting(client) == 0


async def test_an_id_without_an_envelope_is_a_dead_letter(serve: Serve, client: Redis) -> None:
    """arq gives waiting payloads a time to live; only the id outlives it."""
    await client.zadd("arq:queue", {"gone": 1})
    async with serve(add) as worker:
        await eventually(lambda: worker.journal.failed == 1)
    assert await waiting(client) == 0
    [failure] = await failures_of(client, "gone")
    assert failure.cause is Cause.CORRUPTION
    assert "gone" in failure.message


async def test_a_pickled_envelope_is_refused_unread_with_the_reason(
    serve: Serve, client: Redis, producer: Producer, tmp_path: Path
) -> None:
    """Reading it would run whatever its sender wished."""
    marker = tmp_path / "run by the pickle"
    async with serve(add):
        await put(
            client, "bomb", pickle.dumps({"t": None, "f": "add", "a": (Bomb(marker),), "k": {}, "et": 1})
        )
        await eventually(lambda: client.zscore("monarq:dead:default", "bomb"))
        [failure] = await failures_of(client, "bomb")
        handle = producer.job("bomb")
        assert await handle.status() is State.DEAD
        with pytest.raises(JobFailed, match="pickled"):
            await handle.result(timeout=20)
    assert failure.cause is Cause.CORRUPTION
    assert "MONARQ_READ_PICKLED" in failure.message
    assert not marker.exists()


async def test_a_pickled_envelope_is_read_where_the_operator_allows_it(
    serve: Serve, redis_url: str, client: Redis, pool: ArqRedis
) -> None:
    """And answered in kind: arq's own client reads the result."""
    pool.job_serializer = pool.job_deserializer = None
    # arq's producers wake nobody
    async with serve(add, settings={"read_pickled": True}, poll_delay=0.05):
        job = await pool.enqueue_job("add", 20, right=22)
        assert job is not None
        assert await job.result(timeout=20, poll_delay=0.05) == 42
        assert pickle.loads(await client.get(f"arq:result:{job.job_id}"))["r"] == 42


async def test_a_kind_that_no_worker_knows_waits_for_one_that_does(
    serve: Serve, producer: Producer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rolling deploy: the new code enqueues before the new workers are up."""
    monkeypatch.setattr("monarq.worker.executor.UNKNOWN_KIND_DELAY", timedelta(seconds=0.2))
    handle = await producer.enqueue(added_later.of())
    async with serve(add) as old:
        await eventually(lambda: old.journal.released >= 3)
        assert await handle.status() in (State.SCHEDULED, State.READY, State.RUNNING)
        assert await client.exists(f"arq:job:{handle.job_id}")
        async with serve(add, added_later):
            assert await handle.result(timeout=20) == "deployed"
    assert (await stats(client))["released"] >= 3
    assert await client.zcard("monarq:dead:default") == 0


async def test_an_unknown_kind_spends_no_attempt(
    serve: Serve, producer: Producer, client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.worker.executor.UNKNOWN_KIND_DELAY", timedelta(seconds=0.02))
    attempts: list[int] = []

    @job("added.later", max_attempts=1)
    async def counted(ctx: JobContext) -> None:
        attempts.append(ctx.attempt)

    handle = await producer.enqueue(counted.of())
    async with serve(add) as old:
        await eventually(lambda: old.journal.released >= 5)
    async with serve(counted):
        await handle.result(timeout=20)
    assert attempts == [1]


async def test_unknown_kinds_do_not_keep_a_worker_busy(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """They wait out a pause each time; jobs that it knows run meanwhile."""
    for _ in range(50):
        await producer.enqueue(added_later.of())
    async with serve(add, max_jobs=5) as worker:
        await eventually(lambda: worker.journal.released == 50)
        handles = [await producer.enqueue(add.of(number)) for number in range(20)]
        await asyncio.gather(*(handle.result(timeout=20) for handle in handles))
        assert worker.journal.released == 50
    assert await waiting(client) == 50


async def lost(client: Redis, job_id: str, times: int) -> None:
    """As the claims of orphans leave it: so many workers died while they ran the job."""
    for number in range(1, times + 1):
        failure = Failure(spent=0, crashes=0, lapses=number, cause=Cause.CRASH, fence=number, worker="dead-1")
        await client.rpush(f"monarq:failures:{job_id}", failure.encode())
    await client.set(f"arq:retry:{job_id}", times)


async def test_a_suspect_is_run_in_a_process_of_its_own(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    handle = await producer.enqueue(child_kinds.pid.of())
    await lost(client, handle.job_id, 1)
    async with serve(child_kinds.pid):
        assert await handle.result(timeout=60) != os.getpid()


async def test_a_suspect_that_no_child_can_import_runs_in_the_worker(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    @job("poison.local")
    async def local(ctx: JobContext) -> int:
        return os.getpid()

    handle = await producer.enqueue(local.of())
    await lost(client, handle.job_id, 1)
    async with serve(local):
        assert await handle.result(timeout=60) == os.getpid()


async def test_who_was_on_board_of_twenty_lost_workers_is_given_up(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """So that nothing runs for ever, not even where whole machines die of it."""
    condemned, spared = [await producer.enqueue(child_kinds.pid.of()) for _ in range(2)]
    await lost(client, condemned.job_id, 20)
    await lost(client, spared.job_id, 19)
    async with serve(child_kinds.pid):
        letter = await dead_letter(client, condemned.job_id)
        assert await spared.result(timeout=60) != os.getpid()
    assert letter.last.cause is Cause.CRASH
    assert letter.last.error_type == "JobCrashed"
    assert "20 workers were lost" in letter.last.message
