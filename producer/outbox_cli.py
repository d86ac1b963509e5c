"""`monarq outbox`: what waits in PostgreSQL on its way to Redis, and what could not be sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from monarq.jobs.actor import this_actor
from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.cli.auditing import PLACE
from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.cli.output import AsJson, fail, print_json, print_table
from monarq.jobs.cli.session import read_settings
from monarq.jobs.store.postgres import open_database

from .cancelling import cancelled_record

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.unit_of_work import UnitOfWork

T = TypeVar("T")

app = new_commands(
    no_args_is_help=True,
    help="Jobs that were enqueued in transactions, on their way from PostgreSQL to Redis.",
)

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Job ids.")]
All = Annotated[bool, typer.Option("--all", help="All that are set aside.")]


@app.command()
def show(
    limit: Annotated[int, typer.Option(min=0, help="List at most this many.")] = 50, as_json: AsJson = False
) -> None:
    """Show how many jobs wait and for how long, and those that could not be sent, each with the reason."""

    async def look(unit: UnitOfWork) -> tuple[dict[str, object], list[dict[str, object]]]:
        depth, rows = await unit.outbox.depth(), await unit.outbox.list_set_aside(limit)
        return depth._asdict(), [row._asdict() for row in rows]

    depth, rows = _ask(look)
    if as_json:
        print_json(depth | {"rows": rows})
        return
    lag = depth["lag_seconds"]
    age = "" if lag is None else f", the oldest for {lag:.1f} s"
    typer.echo(f"waiting: {depth['waiting']}{age}; set aside: {depth['set_aside']}")
    if rows:
        print_table(("job_id", "queue", "kind", "set_aside_at", "reason"), rows, nothing="")


@app.command()
def retry(job_ids: Ids = None, every: All = False, as_json: AsJson = False) -> None:
    """Send jobs again that were set aside: what kept them from it is mended.

    Ends with 1 if one of the ids is not set aside.
    """
    wanted = _wanted(job_ids, every)

    async def work(unit: UnitOfWork) -> list[str]:
        found = await unit.outbox.retry(wanted)
        await _note(unit, "outbox.retry", found)
        return found

    _tell("sent again", wanted, _ask(work), as_json)


@app.command()
def discard(job_ids: Ids = None, every: All = False, as_json: AsJson = False) -> None:
    """Forget jobs that were set aside: they will never run.  A durable one ends as cancelled.

    Ends with 1 if one of the ids is not set aside.
    """
    wanted = _wanted(job_ids, every)
    note = CancelNote.of(this_actor(), "discarded from the outbox")

    async def work(unit: UnitOfWork) -> list[str]:
        rows = await unit.outbox.discard(wanted)
        await unit.outbox.end_durable(
            {row.job_id: cancelled_record(row.queue, row.job_id, row.head + b"0}", note) for row in rows}
        )
        found = [row.job_id for row in rows]
        await _note(unit, "outbox.discard", found)
        return found

    _tell("discarded", wanted, _ask(work), as_json)


async def _note(unit: UnitOfWork, action: str, job_ids: Sequence[str]) -> None:
    """Write down who did it, in the same transaction."""
    for job_id in job_ids:
        await unit.audit.add(actor=this_actor(), place=PLACE, action=action, subject=job_id, detail={})


def _wanted(job_ids: Sequence[str] | None, every: bool) -> list[str] | None:
    if bool(job_ids) is every:
        raise typer.BadParameter("give either ids or --all")
    return None if every else list(dict.fromkeys(job_ids or ()))


def _ask(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
    settings = read_settings()

    async def ask() -> T:
        database = open_database(settings)
        try:
            return await database.transact(work)
        finally:
            await database.close()

    return asyncio.run(ask())


def _tell(done: str, wanted: Sequence[str] | None, found: Sequence[str], as_json: bool) -> None:
    missing = [job_id for job_id in wanted or () if job_id not in found]
    if as_json:
        print_json({"done": found, "missing": missing})
    else:
        typer.echo(f"{done}: {len(found)}")
        for job_id in missing:
            fail(f"{job_id} is not set aside")
    raise typer.Exit(ExitCode.FAILURE if missing else ExitCode.OK)
