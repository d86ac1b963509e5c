"""The jobs of the end-to-end tests; each tells the ledger of its start and its end."""

import asyncio
import os
import time
from pathlib import Path

from monarq.jobs import JobContext, Unique, job
from monarq.jobs.retry import fixed

from .ledger import write


@job("e2e.note")
async def note(ctx: JobContext, seconds: float = 0.0) -> int:
    """Give the number of the process, after some seconds."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    await asyncio.sleep(seconds)
    write("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


@job("e2e.hold", max_attempts=1)
async def hold(ctx: JobContext, gate: str) -> int:
    """Run until the file `gate` exists."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    try:
        while not _is_open(gate):  # noqa: ASYNC110 - who opens it is another process
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        write("cancelled", ctx.job_id, ctx.attempt, ctx.fence)
        raise
    write("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


def _is_open(gate: str) -> bool:
    return Path(gate).exists()


@job("e2e.block", max_attempts=1)
async def block(ctx: JobContext, seconds: float) -> int:
    """Stop the whole event loop."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    time.sleep(seconds)  # noqa: ASYNC251 - it is the fault that is tested
    write("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


@job("e2e.pill", max_attempts=10, backoff=fixed(0.05))
async def pill(ctx: JobContext, gate: str, how: int) -> None:
    """Take the whole process down once `gate` exists: by the signal `how`, or by `os._exit` if it is 0."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    while not _is_open(gate):  # noqa: ASYNC110 - who opens it is another process
        await asyncio.sleep(0.02)
    if how == 0:
        os._exit(13)
    os.kill(os.getpid(), how)


@job("e2e.stumble", max_attempts=2, backoff=fixed(0.05))
async def stumble(ctx: JobContext, gate: str) -> int:
    """Fail at the first attempt, once `gate` exists; the second gives the number of its process."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    while not _is_open(gate):  # noqa: ASYNC110 - who opens it is another process
        await asyncio.sleep(0.02)
    if ctx.attempt == 1:
        raise ValueError("stumbled")
    return os.getpid()


@job("e2e.fail", max_attempts=2, backoff=fixed(0.05))
async def fail(ctx: JobContext, secret: str) -> None:
    """Fail, with a secret among the local variables."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    raise ValueError("declined")


@job("e2e.slow", timeout=0.2, max_attempts=1)
async def slow(ctx: JobContext, secret: str) -> None:
    """Never end."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    await asyncio.Event().wait()


@job("e2e.echo")
async def echo(ctx: JobContext, secret: str) -> str:
    """Give it back."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    ctx.log.info("working", arguments={"secret": secret})
    return secret


@job("e2e.compute", run_in="process", max_attempts=1)
def compute(ctx: JobContext, seconds: float) -> int:
    """Keep a processor busy, in a child process; gives the number of that process."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    write("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


@job("e2e.grind", run_in="process", max_attempts=1)
def grind(ctx: JobContext, size: int) -> int:
    """On its first start keep the interpreter's lock, in C code: no other thread can do anything."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    sum(range(size if ctx.fence == 1 else 1))
    write("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


@job("e2e.run-away", max_attempts=1)
def run_away(ctx: JobContext, seconds: float) -> None:
    """Keep a thread for so long, whatever it is told."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    time.sleep(seconds)
    write("end", ctx.job_id, ctx.attempt, ctx.fence)


@job("e2e.only", unique=Unique(by=[]))
async def only(ctx: JobContext, gate: str) -> int:
    """The only one of its kind: run until the file `gate` exists."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    while not _is_open(gate):  # noqa: ASYNC110 - who opens it is another process
        await asyncio.sleep(0.02)
    return os.getpid()


@job("e2e.jam", max_attempts=1)
async def jam(ctx: JobContext, gate: str) -> None:
    """Stop the whole event loop until the file `gate` exists."""
    write("start", ctx.job_id, ctx.attempt, ctx.fence)
    while not _is_open(gate):
        time.sleep(0.05)  # noqa: ASYNC251 - it is the fault that is tested
