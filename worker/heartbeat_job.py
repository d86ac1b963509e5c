"""The heartbeat job, which every worker knows: it writes down when it was enqueued."""

from __future__ import annotations

from monarq.jobs.context import JobContext
from monarq.jobs.handler import job
from monarq.jobs.retry import fixed
from monarq.jobs.store.heartbeats import KIND
from monarq.jobs.store.keys import HEARTBEATS

from .runnable import from_handler

#: Never dead, whatever an app's hooks do: a dead letter would keep the next one out.
_ATTEMPTS = 1_000_000


@job(KIND, keep_result=0, max_attempts=_ATTEMPTS, backoff=fixed(10))
async def heartbeat(ctx: JobContext) -> None:
    """Tell that jobs of this queue run."""
    await ctx["redis"].hset(HEARTBEATS, ctx.queue, round(ctx["enqueue_time"].timestamp() * 1000))


#: It stands in no report, no history and no metric of a worker, and so is not among the worker's own kinds.
HEARTBEAT = from_handler(heartbeat)
BUILT_IN = {HEARTBEAT.kind: HEARTBEAT}
