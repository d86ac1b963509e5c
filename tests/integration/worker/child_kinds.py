"""Kinds that a child process can import."""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed
from monarq.jobs.tracing import current_ids


def note(path: str, text: str = "") -> None:
    """For a test to read."""
    Path(path).write_text(text)


@job("child.add")
async def add(ctx: JobContext, left: int, right: int) -> int:
    return left + right


@job("child.pid")
async def pid(ctx: JobContext) -> int:
    return os.getpid()


@job("child.fail")
async def fail(ctx: JobContext) -> None:
    raise ValueError("no \udc80")


@job("child.kill")
async def kill_itself(ctx: JobContext, number: int = signal.SIGSEGV) -> None:
    os.kill(os.getpid(), number)


@job("child.exit")
async def leave(ctx: JobContext) -> None:
    os._exit(3)


@job("child.hold")
async def hold(ctx: JobContext, started: str, noted: str = "") -> None:
    """Runs until it is told to stop, and notes how."""
    note(started)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if noted:
            note(noted, "cancelled")
        raise


brief_hold = job("child.brief-hold", timeout=0.5)(hold.function)


@job("child.stubborn")
async def stubborn(ctx: JobContext, started: str) -> None:
    """Will not stop."""
    note(started)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue


@job("process.trace", run_in="process")
def process_trace(ctx: JobContext) -> list[str]:
    """The trace and the span that it runs in."""
    return list(current_ids() or ())


@job("process.pid", run_in="process")
def process_pid(ctx: JobContext) -> int:
    return os.getpid()


@job("process.async-pid", run_in="process")
async def process_async_pid(ctx: JobContext) -> int:
    return os.getpid()


@job("process.facts", run_in="process")
async def facts(ctx: JobContext) -> list[str]:
    """What the worker's hooks have told this process, and whether the job is who it should be."""
    await ctx["redis"].set("said by", ctx.job_id)
    return [*ctx["told"], ctx.kind, ctx.queue, str(ctx.attempt)]


@job("process.spin", run_in="process", max_attempts=1)
def spin(ctx: JobContext, started: str, seconds: float = 60.0) -> str:
    """Never lets go of the processor."""
    note(started, str(os.getpid()))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "spun"


timed_spin = job("process.timed-spin", run_in="process", timeout=1, max_attempts=1)(spin.function)


@job("process.sleep", run_in="process", max_attempts=1)
def sleep(ctx: JobContext, started: str, noted: str) -> None:
    """Is told to stop while the system has it."""
    note(started, str(os.getpid()))
    try:
        time.sleep(60)
    except asyncio.CancelledError:
        note(noted, "cancelled")
        raise


@job("process.hog", run_in="process", memory_limit=64 * 2**20, max_attempts=1)
def hog(ctx: JobContext, mebibytes: int) -> int:
    return len(bytearray(mebibytes * 2**20))


@job("process.async-hog", run_in="process", memory_limit=64 * 2**20, max_attempts=1)
async def async_hog(ctx: JobContext, mebibytes: int) -> int:
    return len(bytearray(mebibytes * 2**20))


@job("process.kill", run_in="process", backoff=fixed(0))
def killer(ctx: JobContext) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


async def tell_startup(ctx: dict[str, Any]) -> None:
    ctx["told"] = ["startup"]


async def break_startup(ctx: dict[str, Any]) -> None:
    raise RuntimeError("no database")


async def tell_start(ctx: dict[str, Any]) -> None:
    ctx["told"].append("start")


async def arq_pid(ctx: dict[str, Any], number: int) -> list[int]:
    """One of arq's functions."""
    return [os.getpid(), number]
