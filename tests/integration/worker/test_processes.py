"""`run_in="process"`: jobs in child processes, which may be busy, greedy or broken without hurting others."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic_core import to_json
from redis.asyncio import Redis

from monarq.jobs import JobContext, State, job
from monarq.jobs.errors import DefinitionError, JobCancelled
from monarq.jobs.failure import Cause
from monarq.producer import Producer
from monarq.worker import Worker

from . import child_kinds as kinds
from .conftest import Serve
from .deadlines import eventually
from .stage import dead_letter, failures_of, is_alive, settings_for, stats


@pytest.fixture(autouse=True)
def _children_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one starts for longer than a job would wait for it, or be waited for."""
    monkeypatch.setattr("monarq.worker.room.PATIENCE", 60.0)
    monkeypatch.setattr("monarq.worker.children.pool.STOP_GRACE", 60.0)


async def pid_in(path: Path) -> int:
    """The process that has noted itself there."""
    return int(await eventually(lambda: path.exists() and path.read_text()))


async def test_jobs_run_in_a_process_that_serves_one_after_the_other(
    serve: Serve, producer: Producer
) -> None:
    async with serve(kinds.process_pid, kinds.process_async_pid, settings={"processes": 1}):
        pids = [
            await (await producer.enqueue(handler.of())).result(timeout=60)
            for handler in (kinds.process_pid, kinds.process_async_pid, kinds.process_pid)
        ]
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()
    await eventually(lambda: not is_alive(pids[0]))


async def test_no_process_is_started_before_a_job_needs_it(serve: Serve, producer: Producer) -> None:
    async with serve(kinds.add, kinds.process_pid) as worker:
        await (await producer.enqueue(kinds.add.of(1, 2))).result(timeout=60)
        assert worker.children._all == set()


async def test_a_child_has_the_worker_s_hooks_and_arq_s_client(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    async with serve(kinds.facts, on_startup=kinds.tell_startup, on_job_start=kinds.tell_start):
        handle = await producer.enqueue(kinds.facts.of())
        told = await handle.result(timeout=60)
    assert told == ["startup", "start", "process.facts", "default", "1"]
    assert await client.get("said by") == handle.job_id.encode()


async def test_after_job_end_is_called_for_a_job_in_a_process(serve: Serve, producer: Producer) -> None:
    ended: list[str] = []

    async def after_job_end(ctx: JobContext) -> None:
        ended.append(ctx["job_id"])

    async with serve(kinds.process_pid, after_job_end=after_job_end):
        handle = await producer.enqueue(kinds.process_pid.of())
        await eventually(lambda: ended == [handle.job_id])


async def test_a_timeout_kills_what_never_lets_go_of_the_processor(
    serve: Serve, producer: Producer, client: Redis, tmp_path: Path
) -> None:
    async with serve(kinds.timed_spin, kinds.process_pid, settings={"processes": 1}):
        handle = await producer.enqueue(kinds.timed_spin.of(str(tmp_path / "pid")))
        letter = await dead_letter(client, handle.job_id)
        assert (letter.last.cause, letter.last.error_type) == (Cause.TIMEOUT, "TimeoutError")
        pid = await pid_in(tmp_path / "pid")
        await eventually(lambda: not is_alive(pid))
        assert await (await producer.enqueue(kinds.process_pid.of())).result(timeout=60) != pid


async def test_a_cancelled_function_gets_an_exception_even_in_a_system_call(
    serve: Serve, producer: Producer, tmp_path: Path
) -> None:
    """And its process lives on."""
    async with serve(kinds.sleep, kinds.process_pid, settings={"processes": 1}):
        handle = await producer.enqueue(kinds.sleep.of(str(tmp_path / "pid"), str(tmp_path / "noted")))
        pid = await pid_in(tmp_path / "pid")
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result(timeout=60)
        assert (tmp_path / "noted").read_text() == "cancelled"
        assert await (await producer.enqueue(kinds.process_pid.of())).result(timeout=60) == pid


async def test_a_cancelled_function_that_computes_gets_an_exception(
    serve: Serve, producer: Producer, tmp_path: Path
) -> None:
    async with serve(kinds.spin, kinds.process_pid, settings={"processes": 1}):
        handle = await producer.enqueue(kinds.spin.of(str(tmp_path / "pid")))
        pid = await pid_in(tmp_path / "pid")
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result(timeout=60)
        assert await (await producer.enqueue(kinds.process_pid.of())).result(timeout=60) == pid


async def test_a_worker_that_stops_hands_back_what_its_children_run(
    serve: Serve, producer: Producer, client: Redis, tmp_path: Path
) -> None:
    async with serve(kinds.spin, settings={"drain_timeout": timedelta(0)}):
        handle = await producer.enqueue(kinds.spin.of(str(tmp_path / "pid")))
        pid = await pid_in(tmp_path / "pid")
    assert await handle.status() is State.READY
    [failure] = await failures_of(client, handle.job_id)
    assert (failure.cause, failure.spent) == (Cause.INTERRUPTION, 0)
    await eventually(lambda: not is_alive(pid))


@pytest.mark.parametrize("handler", [kinds.hog, kinds.async_hog], ids=["def", "async def"])
async def test_a_job_that_takes_too_much_memory_gets_an_error_and_its_neighbours_live(
    serve: Serve, producer: Producer, client: Redis, tmp_path: Path, handler: object
) -> None:
    async with serve(kinds.hog, kinds.async_hog, kinds.spin, settings={"processes": 2}):
        neighbour = await producer.enqueue(kinds.spin.of(str(tmp_path / "pid"), 2.0))
        await pid_in(tmp_path / "pid")
        greedy = await producer.enqueue(handler.of(512))  # type: ignore[attr-defined]
        modest = await producer.enqueue(handler.of(16))  # type: ignore[attr-defined]
        letter = await dead_letter(client, greedy.job_id)
        assert (letter.last.error_type, letter.last.cause) == ("MemoryError", Cause.ERROR)
        assert await modest.result(timeout=60) == 16 * 2**20
        assert await neighbour.result(timeout=60) == "spun"


async def test_a_job_that_kills_its_process_again_and_again_ends_dead_and_nobody_else_does(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    """It was alone in it: that is a proof, and spends no attempt."""
    async with serve(kinds.killer, kinds.process_pid) as worker:
        pill = await producer.enqueue(kinds.killer.of())
        healthy = [await producer.enqueue(kinds.process_pid.of()) for _ in range(5)]
        letter = await dead_letter(client, pill.job_id)
        for handle in healthy:
            await handle.result(timeout=60)
        assert worker.journal.complete == 5
    assert [failure.crashes for failure in letter.failures] == [1, 2, 3]
    assert {failure.spent for failure in letter.failures} == {0}
    assert "SIGSEGV" in letter.last.message


async def test_a_busy_process_keeps_its_lease(
    serve: Serve, producer: Producer, client: Redis, tmp_path: Path
) -> None:
    """More than two leases of work, with a second worker that would take over."""
    settings = {"lease": timedelta(seconds=2), "processes": 1}
    async with serve(kinds.spin, settings=settings), serve(kinds.spin, settings=settings):
        handle = await producer.enqueue(kinds.spin.of(str(tmp_path / "pid"), 4.5))
        assert await handle.result(timeout=60) == "spun"
        assert await client.get(f"arq:retry:{handle.job_id}") is None, "it was started twice"
    assert "refused" not in await stats(client)


async def test_a_handler_that_no_child_can_import_is_told_at_start(redis_url: str) -> None:
    @job("nested", run_in="process")
    def nested(ctx: JobContext) -> None: ...

    with pytest.raises(DefinitionError, match=r"handler of 'nested' .* top level of a module"):
        Worker([nested], settings=settings_for(redis_url))


async def test_a_hook_that_no_child_can_import_is_told_at_start(redis_url: str) -> None:
    async def on_startup(ctx: JobContext) -> None: ...

    with pytest.raises(DefinitionError, match="on_startup"):
        Worker([kinds.process_pid], settings=settings_for(redis_url), on_startup=on_startup)
    Worker([kinds.add], settings=settings_for(redis_url), on_startup=on_startup)


async def test_after_job_end_is_called_for_a_suspect_too(
    serve: Serve, producer: Producer, client: Redis
) -> None:
    ended: list[str] = []

    async def after_job_end(ctx: JobContext) -> None:
        ended.append(ctx["job_id"])

    handle = await producer.enqueue(kinds.pid.of())
    lapse = {"spent": 0, "crashes": 0, "lapses": 1, "cause": "crash", "fence": 1, "worker": "lost-1"}
    await client.rpush(f"monarq:failures:{handle.job_id}", to_json(lapse))
    await client.set(f"arq:retry:{handle.job_id}", 1)
    async with serve(kinds.pid, after_job_end=after_job_end):
        assert await handle.result(timeout=60) != os.getpid()
        await eventually(lambda: ended == [handle.job_id])
