"""What the history has of jobs."""

from typing import Any

import asyncpg

from monarq.jobs import JobContext, job

from .deadlines import eventually


@job("greet", keep_result=60)
async def greet(ctx: JobContext, name: str) -> dict[str, str]:
    return {"hello": name}


async def row_of(rows: asyncpg.Connection, job_id: str) -> dict[str, Any]:
    """The newest row of a job, as soon as there is one."""
    select = "SELECT * FROM monarq.jobs WHERE job_id = $1 ORDER BY ended_at DESC LIMIT 1"
    return dict(await eventually(lambda: rows.fetchrow(select, job_id)))


async def count(rows: asyncpg.Connection) -> int:
    return int(await rows.fetchval("SELECT count(*) FROM monarq.jobs"))
