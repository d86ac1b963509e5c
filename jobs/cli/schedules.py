"""`monarq schedules`: when cron jobs are due."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..settings import Settings
from ..store.postgres import open_database
from ..store.schedule import SeenSchedule
from .commands import new_commands
from .moments import shown
from .output import AsJson, print_json, print_table
from .session import read_settings

if TYPE_CHECKING:
    from ..store.postgres.unit_of_work import Connection

app = new_commands()

_COLUMNS = ("name", "kind", "queue", "when", "next", "last", "last job")


@app.command()
def schedules(as_json: AsJson = False) -> None:
    """Show the cron jobs of all workers: when they are due, and what was enqueued last.  It needs PostgreSQL.

    One that no worker has had for a week is forgotten.
    """
    found = asyncio.run(_read(read_settings()))
    if as_json:
        print_json([one.as_document() for one in found])
    else:
        print_table(_COLUMNS, [_row(one) for one in found], nothing="no worker has told of a cron job")


async def _read(settings: Settings) -> Sequence[SeenSchedule]:
    database = open_database(settings)
    # here, so that the command can say what it needs where the packages are not installed
    from ..store.postgres.repositories.schedules import ScheduleRepository

    async def read(connection: Connection) -> Sequence[SeenSchedule]:
        return await ScheduleRepository(connection).list()

    try:
        return await database.read(read)
    finally:
        await database.close()


def _row(one: SeenSchedule) -> dict[str, object]:
    return {
        "name": one.name,
        "kind": one.kind,
        "queue": one.queue,
        "when": f"{one.times} ({one.timezone})",
        "next": _shown(one.next_due_at),
        "last": _shown(one.last_due_at),
        "last job": one.last_job_id,
    }


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else shown(moment)
