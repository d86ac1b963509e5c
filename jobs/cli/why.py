"""`monarq why`: one sentence about where a job stands, and the facts behind it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic_core import to_json

from ..errors import DatabaseRefused, DatabaseUnavailable
from ..settings import Settings
from ..store.connection import Link
from ..store.postgres import open_database
from ..store.sentences import Reason
from ..store.why import Explanation, explain
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, fail, print_json
from .replaying import letters_of
from .session import read_settings, with_store

app = new_commands()


@app.command()
def why(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")],
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", help="Where to look; by default, everywhere.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say why a job is where it is: what it waits for, who runs it, how it ended.

    Ends with 1 if there is no trace of it.
    """
    settings = read_settings()

    async def ask(link: Link) -> Explanation:
        options: dict[str, Any] = {"queue": queue, "tagged": settings.hash_tags}
        if settings.database_url is None:
            return await explain(link, job_id, **options)
        try:
            async with letters_of(link, settings) as letters:
                told = await explain(link, job_id, letters=letters, **options)
            return await _held(settings, job_id) or told if told.reason is Reason.NO_TRACE else told
        except (DatabaseUnavailable, DatabaseRefused) as error:
            fail(f"without a look at the dead letters and the outbox in PostgreSQL: {error}")
            return await explain(link, job_id, **options)

    found = with_store(settings, ask)
    if as_json:
        print_json(found.as_document())
    else:
        typer.echo(found.sentence)
        for name, fact in found.facts.items():
            typer.echo(f"  {name}: {_shown(fact)}")
    if found.reason is Reason.NO_TRACE:
        raise typer.Exit(ExitCode.FAILURE)


async def _held(settings: Settings, job_id: str) -> Explanation | None:
    """What the outbox knows of a job that Redis does not know."""
    database = open_database(settings)
    # here, so that the command can say what it needs where the packages are not installed
    from ..store.postgres.held import explain_held, find_held

    try:
        row = await find_held(database, job_id)
        return None if row is None else explain_held(row)
    finally:
        await database.close()


def _shown(fact: Any) -> str:
    return fact if isinstance(fact, str) else to_json(fact).decode()
