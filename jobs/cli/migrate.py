"""`monarq migrate`: bring the tables in PostgreSQL up to this release."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ..errors import NoDatabase
from ..store.postgres import packages_wanted
from .commands import new_commands
from .exit_codes import ExitCode
from .output import AsJson, print_json
from .session import read_settings

app = new_commands()


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; end with 1 if something is missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the tables in PostgreSQL up to this release.  Safe to repeat, and from several places at once.

    All steps are one transaction: either all are done, or none.
    """
    settings = read_settings()
    if settings.database_url is None:
        raise NoDatabase
    with packages_wanted():
        from ..store.postgres.migrating import migrate as bring_up_to_date
        from ..store.postgres.migrating import missing_steps
    steps = asyncio.run((missing_steps if check else bring_up_to_date)(settings))
    if as_json:
        print_json({"missing" if check else "done": steps})
    elif steps:
        typer.echo(f"{'missing' if check else 'done'}: {', '.join(steps)}")
    else:
        typer.echo("up to date")
    if check and steps:
        raise typer.Exit(ExitCode.FAILURE)
