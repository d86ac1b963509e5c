"""`monarq jobs`: look for jobs that have ended, and at one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from ..errors import DefinitionError
from ..settings import Settings
from ..store.job_filter import JobFilter, Sort
from ..store.postgres import open_database
from .commands import new_commands
from .exit_codes import ExitCode
from .job_options import (
    After,
    Fingerprint,
    Kind,
    Limit,
    OnlyCount,
    Payload,
    Priority,
    Queue,
    Since,
    SortBy,
    State,
    Tag,
    Text,
    Until,
    Worker,
    read_payload_field,
)
from .job_tables import print_jobs, print_story
from .output import AsJson, fail, print_json
from .session import read_settings

if TYPE_CHECKING:
    from ..store.postgres.history_reader import HistoryReader

T = TypeVar("T")

app = new_commands()


@app.callback(invoke_without_command=True)
def jobs(
    context: typer.Context,
    state: State = None,
    queue: Queue = None,
    kind: Kind = None,
    priority: Priority = None,
    tag: Tag = None,
    worker: Worker = None,
    fingerprint: Fingerprint = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
    payload: Payload = None,
    sort: SortBy = Sort.NEWEST,
    limit: Limit = 50,
    after: After = None,
    count: OnlyCount = False,
    as_json: AsJson = False,
) -> None:
    """Look for jobs that have ended, in the history in PostgreSQL.  All options together must fit.

    For one job with its arguments, its result and all that went wrong: `monarq jobs show ID`.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        wanted = JobFilter(
            state=state,
            queue=queue,
            kind=kind,
            priority=priority,
            tag=tag,
            worker=worker,
            fingerprint=fingerprint,
            since=since,
            until=until,
            text=text,
            payload=tuple(map(read_payload_field, payload or ())),
        )
        _print_count(wanted, as_json) if count else _print_page(wanted, sort, after, limit, as_json)
    except DefinitionError as error:
        raise typer.BadParameter(str(error)) from None


@app.command()
def show(job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: AsJson = False) -> None:
    """Show a job that has ended: arguments, result, and every attempt that went wrong.

    One that was replayed has several ends; the newest comes first.  Ends with 1 if there is none.
    """
    stories = _ask(lambda history: history.stories(job_id))
    if as_json:
        print_json([story.as_document() for story in stories])
    for number, story in enumerate([] if as_json else stories):
        typer.echo("\n" if number else "", nl=False)
        print_story(story)
    if not stories:
        fail(f"no job {job_id} in the history; if it has not ended: monarq why {job_id}")
        raise typer.Exit(ExitCode.FAILURE)


def _print_page(wanted: JobFilter, sort: Sort, after: str | None, limit: int, as_json: bool) -> None:
    page = _ask(lambda history: history.page(wanted, sort, after=after, limit=limit))
    if as_json:
        print_json({"jobs": [job.as_document() for job in page.jobs], "next": page.next_cursor})
        return
    print_jobs(page.jobs)
    if page.next_cursor is not None:
        typer.echo(f"there are more: --after {page.next_cursor}", err=True)


def _print_count(wanted: JobFilter, as_json: bool) -> None:
    found = _ask(lambda history: history.count(wanted))
    if as_json:
        print_json({"count": found.number, "is_capped": found.is_capped})
    else:
        typer.echo(str(found))


def _ask(work: Callable[[HistoryReader], Awaitable[T]]) -> T:
    return asyncio.run(_with_history(read_settings(), work))


async def _with_history(settings: Settings, work: Callable[[HistoryReader], Awaitable[T]]) -> T:
    database = open_database(settings)
    # here, so that the command can say what it needs where the packages are not installed
    from ..store.postgres.history_reader import HistoryReader

    try:
        return await work(HistoryReader(database))
    finally:
        await database.close()
