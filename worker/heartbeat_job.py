"""The heartbeat job, which every worker knows: it writes down when it was enqueued."""

from __future__ import annotations

import structlog

from monarq.jobs.context import JobContext
from monarq.jobs.handler import job
from monarq.jobs.store.heartbeats import KIND
from monarq.jobs.store.keys import HEARTBEATS

from .runnable import from_handler

log = structlog.get_logger("monarq.worker")


@job(KIND, keep_result=0)
async def heartbeat(ctx: JobContext) -> None:
    """Tell that jobs of this queue run.  It never fails: a dead letter would keep the next one out."""
    try:
        await ctx["redis"].hset(HEARTBEATS, ctx.queue, round(ctx["enqueue_time"].timestamp() * 1000))
    except Exception:  # then it is late, and somebody will look here
        log.warning("worker.heartbeat_not_written", queue=ctx.queue, exc_info=True)


#: It stands in no report, no history and no metric of a worker, and so is not among the worker's own kinds.
HEARTBEAT = from_handler(heartbeat)
BUILT_IN = {HEARTBEAT.kind: HEARTBEAT}
