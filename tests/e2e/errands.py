"""Jobs that keep a ledger outside of the system under test: one line per start and end, in one write."""

import asyncio
import os
import time
from typing import Any

from monarq import JobContext, job


def note(event: str, job_id: str, attempt: int, fence: int) -> None:
    """Append to the ledger; a line that is begun is whole, even if the process is killed right after."""
    line = f"{event} {job_id} {attempt} {fence} {os.getpid()} {time.monotonic():.6f}\n"
    ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(ledger, line.encode())
    finally:
        os.close(ledger)


@job("errand")
async def errand(ctx: JobContext, *, first: float = 0.0, seconds: float = 0.0, block: bool = False) -> int:
    """Takes `first` seconds on its first start and `seconds` on later ones; tells which process did it."""
    note("start", ctx.job_id, ctx.attempt, ctx.fence)
    span = first if ctx.fence == 1 else seconds
    if block:
        time.sleep(span)  # noqa: ASYNC251 - the fault that is tested
    else:
        await asyncio.sleep(span)
    note("end", ctx.job_id, ctx.attempt, ctx.fence)
    return os.getpid()


async def tally(ctx: dict[Any, Any], number: int) -> int:
    """The same as a plain function of arq's."""
    note("start", ctx["job_id"], ctx["job_try"], 0)
    await asyncio.sleep(0.005)
    return number
