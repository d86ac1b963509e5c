"""`monarq why`: one sentence about where a job stands, and the facts behind it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer
from pydantic_core import to_json

from ..errors import DatabaseRefused, DatabaseUnavailable
from ..store.connection import Link
from ..store.postgres import open_database_if_named
from ..store.sentences import Reason
from ..store.why import Explanation, explain
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, fail, print_json
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
        look = partial(explain, link, job_id, queue=queue, tagged=settings.hash_tags)
        database = open_database_if_named(settings)
        if database is None:
            return await look()
        try:
            return await look(database=database)
        except (DatabaseUnavailable, DatabaseRefused) as error:
            fail(f"without a look at the dead letters and the outbox in PostgreSQL: {error}")
            return await look()
        finally:
            await database.close()

    found = with_store(settings, ask)
    if as_json:
        print_json(found.as_document())
    else:
        typer.echo(found.sentence)
        for name, fact in found.facts.items():
            typer.echo(f"  {name}: {_shown(fact)}")
    if found.reason is Reason.NO_TRACE:
        raise typer.Exit(ExitCode.FAILURE)


def _shown(fact: Any) -> str:
    return fact if isinstance(fact, str) else to_json(fact).decode()
