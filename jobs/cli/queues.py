"""`monarq queues`: what waits, runs and has died, per queue."""

from __future__ import annotations

from dataclasses import asdict

from ..settings import Settings
from ..store.connection import Link
from ..store.keys import queue_keys
from ..store.queues import QueueCounts, count, known_queues
from .commands import new_commands
from .output import AsJson, print_json, print_table
from .session import read_settings, with_store

app = new_commands()

_COUNTERS = ("enqueued", "succeeded")


@app.command()
def queues(as_json: AsJson = False) -> None:
    """Show every queue in numbers.

    waiting: scheduled, or retrying after a failure.  enqueued, succeeded and (with --json) the other counters
    count from the queue's first day.
    """
    settings = read_settings()
    counts = with_store(settings, lambda link: _count_all(link, settings))
    if as_json:
        print_json([asdict(one) for one in counts])
        return
    columns = ("queue", "ready", "running", "waiting", "dead", *_COUNTERS)
    rows = [asdict(one) | {name: one.counters.get(name, 0) for name in _COUNTERS} for one in counts]
    print_table(columns, rows, nothing="no queue")


async def _count_all(link: Link, settings: Settings) -> list[QueueCounts]:
    found = await known_queues(link, tagged=settings.hash_tags)
    names = {keys.name for keys in found}
    # those that this process would serve are shown even before their first job
    found += [queue_keys(name, tagged=settings.hash_tags) for name in settings.queues if name not in names]
    return [await count(link, keys) for keys in found]
