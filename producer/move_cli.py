"""`monarq move`: let jobs that wait start at another time, now, or with another priority."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from monarq.jobs.cli.auditing import note
from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.cli.moments import read_moment, shown
from monarq.jobs.cli.output import AsJson, fail, print_json
from monarq.jobs.cli.session import read_settings, with_store
from monarq.jobs.priority import Priority
from monarq.jobs.settings import Settings
from monarq.jobs.store.connection import Link
from monarq.jobs.store.keys import DEFAULT_QUEUE, queue_keys
from monarq.jobs.store.moving import NOW, Became, Movement, move_job
from monarq.jobs.store.postgres import open_database_if_named
from monarq.jobs.store.queues import queue_of

app = new_commands()

_REFUSED = {
    Became.RUNNING: "too late: a worker holds it",
    Became.CANCELLING: "its cancellation was asked for",
    Became.ENDED: "too late: it has ended",
    Became.UNKNOWN: "no such job: it never existed, or its end is no longer kept",
}


@app.command()
def move(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID", help="Job ids.")],
    now: Annotated[bool, typer.Option("--now", help="They may start now.")] = False,
    delay: Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="So long from now.")] = None,
    at: Annotated[
        Any, typer.Option("--at", parser=read_moment, metavar="TIME", help="At this time, ISO with a zone.")
    ] = None,
    priority: Annotated[Priority | None, typer.Option(help="critical, high, normal or low.")] = None,
    as_json: AsJson = False,
) -> None:
    """Let jobs that wait start at another time, or wait with another priority, or both.

    A job that is due and stays so keeps what it has waited.  Ends with 1 if one of the jobs runs, has ended,
    or is unknown.
    """
    due = _due(now, delay, at)
    if due is None and priority is None:
        raise typer.BadParameter("say where to: --now, --delay, --at or --priority")
    settings, wanted = read_settings(), list(dict.fromkeys(job_ids))
    moved = with_store(settings, lambda link: _move(link, settings, wanted, due, priority))
    if as_json:
        print_json({job_id: _document(one) for job_id, one in zip(wanted, moved, strict=True)})
    else:
        for job_id, one in zip(wanted, moved, strict=True):
            fail(f"{job_id}: {_REFUSED[one.became]}") if one.is_refused else typer.echo(_told(job_id, one))
    is_good = not any(one.is_refused for one in moved)
    raise typer.Exit(ExitCode.OK if is_good else ExitCode.FAILURE)


def _due(now: bool, delay: float | None, at: datetime | None) -> timedelta | datetime | None:
    if now + (delay is not None) + (at is not None) > 1:
        raise typer.BadParameter("give one of --now, --delay and --at")
    if now:
        return NOW
    return at if delay is None else timedelta(seconds=delay)


async def _move(
    link: Link,
    settings: Settings,
    job_ids: Sequence[str],
    due: timedelta | datetime | None,
    priority: Priority | None,
) -> list[Movement]:
    database = open_database_if_named(settings)
    try:
        moved = []
        for job_id in job_ids:
            found = await queue_of(link, job_id, tagged=settings.hash_tags)
            keys = found or queue_keys(DEFAULT_QUEUE, tagged=settings.hash_tags)
            moved.append(await move_job(link, database, keys, job_id, due=due, priority=priority))
    finally:
        if database is not None:
            await database.close()
    acts = [
        (job_id, _document(one))
        for job_id, one in zip(job_ids, moved, strict=True)
        if one.became is Became.MOVED
    ]
    await note(settings, "job.move", acts)
    return moved


def _told(job_id: str, one: Movement) -> str:
    when = "" if one.visible_at is None else f" since {shown(one.visible_at)}"
    if one.state != "ready":
        when = when.replace(" since ", " until ")
    return f"{job_id}: {one.state}{when}, {one.priority} priority"


def _document(one: Movement) -> dict[str, Any]:
    return {
        "became": str(one.became),
        "state": str(one.state) if one.state else None,
        "due_at": one.visible_at.isoformat() if one.visible_at else None,
        "priority": str(one.priority) if one.priority else None,
    }
