"""Kinds that a child process can import."""

import asyncio
import os
import signal
from pathlib import Path

from monarq.jobs import JobContext, job


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


@job("child.hold", timeout=0.5)
async def hold(ctx: JobContext, started: str, noted: str = "") -> None:
    """Runs until it is told to stop, and notes how."""
    note(started)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if noted:
            note(noted, "cancelled")
        raise


@job("child.stubborn")
async def stubborn(ctx: JobContext, started: str) -> None:
    """Will not stop."""
    note(started)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            continue
