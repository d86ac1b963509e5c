"""Kinds that use `ctx.once()`, and that a child process can import."""

import asyncio
import os
from pathlib import Path

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed

ADD_EFFECT = "INSERT INTO effects VALUES ($1, $2, $3)"


@job("once.pay", durable=True, backoff=fixed(0))
async def pay(ctx: JobContext, amount: int) -> int:
    async with ctx.once() as conn:
        await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
        ctx.complete(amount)
    return -1  # what counts is what was committed


@job("once.pay_in_process", durable=True, run_in="process", backoff=fixed(0))
async def pay_in_process(ctx: JobContext, amount: int) -> int:
    async with ctx.once() as conn:
        await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
        ctx.complete(os.getpid())
    return amount


@job("once.die_afterwards", durable=True, run_in="process", backoff=fixed(0))
async def die_afterwards(ctx: JobContext) -> str:
    async with ctx.once() as conn:
        await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
        ctx.complete("paid")
    os._exit(3)


@job("once.hold", durable=True)
async def hold(ctx: JobContext, folder: str) -> int:
    """Writes, says so, and ends when it may."""
    async with ctx.once() as conn:
        await conn.execute(ADD_EFFECT, ctx.job_id, ctx.fence, ctx.attempt)
        Path(folder, f"began-{ctx.fence}").write_text(str(os.getpid()))
        while not Path(folder, f"gate-{ctx.fence}").exists():
            await asyncio.sleep(0.01)
        ctx.complete(ctx.fence)
    return 0


@job("plain.hold")
async def plain(ctx: JobContext) -> None:
    async with ctx.once():
        pass
