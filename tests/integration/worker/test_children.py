"""Child processes: they run attempts as their worker would, and what they die of is told exactly."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import Any

import arq
import pytest
from arq.connections import RedisSettings
from pydantic_core import from_json, to_json

from monarq.jobs import JobContext, job
from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.envelope import encode_head
from monarq.jobs.failure import Cause
from monarq.jobs.handler import Call
from monarq.jobs.outcome import Cancelled, Outcome, Released, Retrying, Succeeded
from monarq.jobs.settings import Settings
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed
from monarq.worker.children import ChildDied, Children, NotImportable
from monarq.worker.children.recipe import Recipe
from monarq.worker.run import Run
from monarq.worker.runnable import ArqDefaults, from_arq, from_handler

from . import child_kinds as kinds
from .deadlines import eventually

Make = Callable[..., Children]


@pytest.fixture(autouse=True)
def _children_may_take_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine one starts for longer than a job would wait for it, or be waited for."""
    monkeypatch.setattr("monarq.worker.room.PATIENCE", 60.0)
    monkeypatch.setattr("monarq.worker.children.pool.STOP_GRACE", 60.0)


@pytest.fixture
async def make(redis_url: str) -> AsyncIterator[Make]:
    """Makes children; none is left at the end."""
    made: list[Children] = []

    def children(*, hooks: dict[str, Any] | None = None, **options: Any) -> Children:
        recipe = Recipe(
            worker_id="worker-1",
            settings=Settings(redis_url=redis_url, **{"processes": 1} | options),
            redis=RedisSettings.from_dsn(redis_url),
            queue_name="arq:queue",
            honour_retry=True,
            hooks=hooks or {},
        )
        made.append(Children(recipe))
        return made[-1]

    yield children
    for one in made:
        await one.close()


def run_of(call: Call[Any]) -> Run:
    """An attempt, claimed and resolved."""
    body = encode_head(call.handler.kind, call.arguments) + b"1700000000000}"
    claimed = Claimed(queue_keys("default"), "job-1", 1, 1, 0, 0, 0, False, body, 2)
    run = Run(claimed, "worker-1:1", time.monotonic() + 600)
    run.runnable = from_handler(call.handler)
    return run


def begin(children: Children, run: Run, *, alone: bool = False) -> asyncio.Task[Outcome]:
    """As the worker does: in a task of its own, which the run knows."""
    task = asyncio.create_task(children.attempt(run, alone=alone))
    run.task = task  # type: ignore[assignment]
    return task


async def result(children: Children, call: Call[Any], *, alone: bool = False) -> Any:
    outcome = await begin(children, run_of(call), alone=alone)
    assert isinstance(outcome, Succeeded)
    assert outcome.result is not None
    return from_json(outcome.result)["r"]


async def test_a_child_runs_one_job_after_the_other(make: Make) -> None:
    children = make()
    assert await result(children, kinds.add.of(1, 2)) == 3
    first = await result(children, kinds.pid.of())
    assert first != os.getpid()
    assert await result(children, kinds.pid.of()) == first


async def test_what_a_handler_raises_is_classified_in_the_child(make: Make) -> None:
    outcome = await begin(make(), run_of(kinds.fail.of()))
    assert isinstance(outcome, Retrying)
    failure = outcome.failure
    assert (failure.error_type, failure.cause, failure.spent) == ("ValueError", Cause.ERROR, 1)
    assert failure.worker == "worker-1"
    assert "child_kinds.py" in failure.traceback


async def test_what_a_child_dies_of_is_told(make: Make) -> None:
    children = make()
    with pytest.raises(ChildDied, match="SIGSEGV") as killed:
        await begin(children, run_of(kinds.kill_itself.of()))
    assert (killed.value.signal, killed.value.was_oom) == (Signals.SIGSEGV, False)
    with pytest.raises(ChildDied, match="exit code 3") as left:
        await begin(children, run_of(kinds.leave.of()))
    assert (left.value.signal, left.value.exit_code) == (None, 3)
    assert await result(children, kinds.add.of(1, 2)) == 3


async def test_a_child_that_died_idle_is_no_fault_of_the_next_job(make: Make) -> None:
    """The kernel chose it, say, while it waited."""
    children = make()
    os.kill(await result(children, kinds.pid.of()), Signals.SIGKILL)
    assert await result(children, kinds.add.of(1, 2)) == 3


async def test_a_job_that_is_to_be_alone_gets_a_child_that_no_other_job_shares(make: Make) -> None:
    children = make()
    pooled = await result(children, kinds.pid.of())
    alone = await result(children, kinds.pid.of(), alone=True)
    assert alone != pooled
    assert await result(children, kinds.pid.of()) == pooled
    assert await result(children, kinds.pid.of(), alone=True) == alone, "who survived one may serve the next"


async def test_jobs_that_are_to_be_alone_run_one_at_a_time(make: Make, tmp_path: Path) -> None:
    children = make()
    started = [tmp_path / name for name in "ab"]
    runs = [run_of(kinds.stubborn.of(str(path))) for path in started]
    tasks = [begin(children, run, alone=True) for run in runs]
    await eventually(started[0].exists)
    assert not started[1].exists()
    runs[0].stop(Cause.TIMEOUT)
    await asyncio.wait([tasks[0]])
    await eventually(started[1].exists)
    runs[1].stop(Cause.TIMEOUT)
    await asyncio.wait(tasks)


async def test_a_child_is_replaced_after_so_many_jobs(make: Make) -> None:
    children = make(child_max_jobs=2)
    pids = [await result(children, kinds.pid.of()) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]


async def test_a_child_that_keeps_too_much_memory_is_replaced(make: Make) -> None:
    children = make(child_max_memory_bytes=1)
    assert await result(children, kinds.pid.of()) != await result(children, kinds.pid.of())


async def test_a_cancelled_job_may_clean_up(make: Make, tmp_path: Path) -> None:
    """And its child lives on."""
    children = make()
    before = await result(children, kinds.pid.of())
    run = run_of(kinds.hold.of(str(tmp_path / "started"), str(tmp_path / "noted")))
    task = begin(children, run)
    await eventually((tmp_path / "started").exists)
    run.cancel(CancelNote("ann", "enough"))
    outcome = await task
    assert isinstance(outcome, Cancelled)
    assert outcome.result is not None
    assert from_json(outcome.result)["r"]["message"] == "cancelled by ann: enough"
    assert (tmp_path / "noted").read_text() == "cancelled"
    assert await result(children, kinds.pid.of()) == before


async def test_an_interrupted_job_goes_back(make: Make, tmp_path: Path) -> None:
    run = run_of(kinds.hold.of(str(tmp_path / "started")))
    task = begin(make(), run)
    await eventually((tmp_path / "started").exists)
    run.stop(Cause.INTERRUPTION)
    outcome = await task
    assert isinstance(outcome, Released)
    assert outcome.failure is not None
    assert outcome.failure.cause is Cause.INTERRUPTION


async def test_a_job_that_will_not_stop_is_killed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.worker.children.pool.STOP_GRACE", 0.2)
    run = run_of(kinds.stubborn.of(str(tmp_path / "started")))
    task = begin(make(), run)
    await eventually((tmp_path / "started").exists)
    run.stop(Cause.CANCELLATION)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_timeout_runs_from_when_the_job_begins_and_kills(make: Make, tmp_path: Path) -> None:
    """A child takes longer to start than this job may take."""
    run = run_of(kinds.brief_hold.of(str(tmp_path / "started"), str(tmp_path / "noted")))
    with pytest.raises(asyncio.CancelledError):
        await begin(make(), run)
    assert run.stopped_for is Cause.TIMEOUT
    assert (tmp_path / "started").exists()
    assert not (tmp_path / "noted").exists(), "it was asked, not killed"


async def test_a_job_that_finds_no_room_goes_back(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.worker.room.PATIENCE", 0.05)
    children = make()
    run = run_of(kinds.stubborn.of(str(tmp_path / "started")))
    task = begin(children, run)
    await eventually((tmp_path / "started").exists)
    outcome = await begin(children, run_of(kinds.add.of(1, 2)))
    assert isinstance(outcome, Released)
    assert outcome.failure is None
    run.stop(Cause.TIMEOUT)
    await asyncio.wait([task])


async def test_a_job_that_waits_for_room_can_be_stopped(make: Make, tmp_path: Path) -> None:
    children = make()
    busy, waiting = run_of(kinds.stubborn.of(str(tmp_path / "started"))), run_of(kinds.add.of(1, 2))
    task = begin(children, busy)
    await eventually((tmp_path / "started").exists)
    second = begin(children, waiting)
    await eventually(lambda: waiting.clock_is_held)
    waiting.stop(Cause.CANCELLATION)
    with pytest.raises(asyncio.CancelledError):
        await second
    busy.stop(Cause.TIMEOUT)
    await asyncio.wait([task])
    assert await result(children, kinds.add.of(1, 2)) == 3


@pytest.mark.parametrize("handler", [kinds.hold, kinds.sleep], ids=["async def", "def"])
async def test_a_job_can_be_stopped_while_its_child_starts(make: Make, tmp_path: Path, handler: Any) -> None:
    """Its child is not killed for it."""
    children = make()
    run = run_of(handler.of(str(tmp_path / "started"), str(tmp_path / "noted")))
    task = begin(children, run)
    await eventually(lambda: children._all)
    run.stop(Cause.CANCELLATION)
    assert isinstance(await task, Cancelled)
    [child] = children._idle
    assert child.is_alive


async def test_a_child_that_cannot_start_is_no_fault_of_the_job(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it that the system has no process left, or that the app's own start fails in it."""
    with monkeypatch.context() as patched:
        patched.setattr("sys.executable", "/nowhere/python")
        outcome = await begin(make(), run_of(kinds.add.of(1, 2)))
    assert outcome == Released(timedelta(seconds=5), None)
    broken = make(hooks={"on_startup": kinds.break_startup})
    assert await begin(broken, run_of(kinds.add.of(1, 2))) == Released(timedelta(seconds=5), None)


async def test_a_function_of_arq_s_runs_in_a_child(make: Make) -> None:
    """With what the worker says about all of arq's functions."""
    defaults = ArqDefaults(
        timeout=5, keep_result=60, keep_result_forever=False, max_tries=3, retry_errors=False
    )
    runnable = from_arq(arq.func(kinds.arq_pid, name="pid of arq"), defaults)
    run = run_of(kinds.pid.of())
    run.claimed.body = to_json({"t": None, "f": "pid of arq", "a": [7], "k": {}, "et": 1_700_000_000_000})
    run.runnable = runnable
    outcome = await begin(make(), run, alone=True)
    assert isinstance(outcome, Succeeded)
    assert outcome.result is not None
    pid, number = from_json(outcome.result)["r"]
    assert (pid != os.getpid(), number) == (True, 7)


async def test_a_handler_that_no_child_can_import_is_refused(make: Make) -> None:
    @job("child.nested")
    async def nested(ctx: JobContext) -> None: ...

    with pytest.raises(NotImportable, match=r"handler of 'child\.nested'.*top level"):
        await make().attempt(run_of(nested.of()), alone=True)


async def test_a_hook_that_no_child_can_import_is_refused(make: Make) -> None:
    async def on_startup(ctx: dict[str, Any]) -> None: ...

    with pytest.raises(NotImportable, match="on_startup"):
        await make(hooks={"on_startup": on_startup}).attempt(run_of(kinds.pid.of()), alone=True)


async def test_a_handler_in_the_program_s_own_file_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds.pid.function, "__module__", "__main__")
    with pytest.raises(NotImportable, match=r"child\.pid"):
        await make().attempt(run_of(kinds.pid.of()), alone=False)
