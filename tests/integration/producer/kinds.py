"""The kinds of job that the tests enqueue."""

from monarq.jobs import JobContext, job


@job("add")
async def add(ctx: JobContext, left: int, right: int = 1) -> int:
    return left + right


@job("subtract")
async def subtract(ctx: JobContext, left: int, right: int = 1) -> int:
    return left - right
