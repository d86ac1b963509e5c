"""Kinds that use `ctx.once()`, and that a child process can import."""

import os
from pathlib import Path

from monarq.jobs import JobContext, job
from monarq.jobs.retry import fixed
from tests.integration.worker.child_kinds import note
from tests.integration.worker.deadlines import eventually

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
        gate = Path(folder, f"gate-{ctx.fence}")
        note(f"{folder}/began-{ctx.fence}", str(os.getpid()))
        await eventually(gate.exists, within=60)
        ctx.complete(ctx.fence)
    return 0


@job("durable.count", durable=True)
async def count(ctx: JobContext, log: str) -> int:
    """Notes each of its runs."""
    with open(log, "a") as runs:  # noqa: ASYNC230 - a line, and no loop that waits
        runs.write(f"{ctx.fence}\n")
    return ctx.fence
