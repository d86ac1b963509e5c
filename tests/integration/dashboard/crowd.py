"""Workers that only say that they live, and queues with jobs in them."""

import time
from datetime import timedelta
from typing import Any

from pydantic_core import to_json

from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import WORKER, WORKERS, queue_keys
from monarq.jobs.store.queues import announce
from monarq.jobs.store.verbs import enqueue
from tests.contract.store import a_job


async def report(transport: Transport, name: str, *, ago: float = -60.0, **told: Any) -> None:
    """Let a worker have reported so many seconds ago; by default it stays young, whatever a test takes."""
    facts = {"worker": name, "host": "web", "pid": 1, "queues": {"mail": 0}, "kinds": ["email.send"]}
    facts |= {"slots": 10, "busy": 0, "stopping": False, "version": "1", **told}
    await transport.call("SET", WORKER + name, to_json(facts))
    await transport.call("ZADD", WORKERS, round((time.time() - ago) * 1000), name)


async def fill(
    transport: Transport,
    queue: str,
    *,
    ready: int = 0,
    scheduled: int = 0,
    priority: Priority = Priority.NORMAL,
    durable: bool = False,
) -> None:
    """Enqueue jobs."""
    keys = queue_keys(queue)
    await announce(transport, [keys])
    hour = timedelta(hours=1)
    jobs = [
        *(a_job(f"{queue}-{priority}-r{n}", priority=priority, durable=durable) for n in range(ready)),
        *(a_job(f"{queue}-{priority}-s{n}", priority=priority, due=hour) for n in range(scheduled)),
    ]
    for at in range(0, len(jobs), 500):
        await execute(transport, enqueue(keys, jobs[at : at + 500]))
