"""`monarq queues`: what waits, runs and has died, per queue."""

from __future__ import annotations

from dataclasses import asdict, replace

from ..errors import StoreError
from ..settings import Settings
from ..store.connection import Link
from ..store.keys import queue_keys
from ..store.pauses import Pause, pauses_of
from ..store.postgres import open_database
from ..store.queues import QueueCounts, count, known_queues
from .commands import new_commands
from .output import AsJson, fail, print_json, print_table
from .pausing import pause_in_a_line
from .session import read_settings, with_store

app = new_commands()

_COUNTERS = ("enqueued", "succeeded")


@app.command()
def queues(as_json: AsJson = False) -> None:
    """Show every queue in numbers, and what is paused.

    waiting: scheduled, or retrying after a failure.  enqueued, succeeded and (with --json) the other counters
    count from the queue's first day.
    """
    settings = read_settings()
    found = with_store(settings, lambda link: _look_at_all(link, settings))
    if as_json:
        print_json(
            [asdict(one) | {"pauses": [pause.as_document() for pause in pauses]} for one, pauses in found]
        )
        return
    columns = ("queue", "ready", "running", "waiting", "dead", *_COUNTERS, "paused")
    rows = [_row(one, pauses) for one, pauses in found]
    print_table(columns, rows, nothing="no queue")


def _row(counts: QueueCounts, pauses: list[Pause]) -> dict[str, object]:
    counters = {name: counts.counters.get(name, 0) for name in _COUNTERS}
    return {**asdict(counts), **counters, "paused": "; ".join(map(pause_in_a_line, pauses)) or None}


async def _look_at_all(link: Link, settings: Settings) -> list[tuple[QueueCounts, list[Pause]]]:
    found = await known_queues(link, tagged=settings.hash_tags)
    names = {keys.name for keys in found}
    # those that this process would serve are shown even before their first job
    found += [queue_keys(name, tagged=settings.hash_tags) for name in settings.queues if name not in names]
    archived = await _archived(settings)
    return [
        (_with_archived(await count(link, keys), archived), await pauses_of(link, keys)) for keys in found
    ]


async def _archived(settings: Settings) -> dict[str, int]:
    """The dead letters that PostgreSQL holds, by queue."""
    if settings.database_url is None:
        return {}
    database = open_database(settings)
    from ..store.postgres.repositories.dead_letters import DeadLetterRepository

    try:
        async with database.connection() as connection:
            return await DeadLetterRepository(connection).counts()
    except StoreError as error:
        fail(f"dead: without those in PostgreSQL: {error}")
        return {}
    finally:
        await database.close()


def _with_archived(counts: QueueCounts, archived: dict[str, int]) -> QueueCounts:
    return replace(counts, dead=counts.dead + archived.get(counts.queue, 0))
