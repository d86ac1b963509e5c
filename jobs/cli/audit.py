"""`monarq audit`: who changed what by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic_core import to_json

from ..settings import Settings
from ..store.postgres import open_database
from .commands import new_commands
from .moments import shown
from .output import AsJson, print_json, print_table
from .session import read_settings

if TYPE_CHECKING:
    from ..store.postgres.repositories.audit import Act
    from ..store.postgres.unit_of_work import Connection

app = new_commands()


@app.command()
def audit(
    actor: Annotated[str | None, typer.Option(help="Only what this one did: ann@web-1.")] = None,
    action: Annotated[
        str | None,
        typer.Option(help="Only this: dead.replay, dead.discard, cancel, pause or resume."),
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this: a job's id, say.")] = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only what was done before this; turns the page.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most this many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who changed what by hand, the newest first.  It needs PostgreSQL."""
    asked: dict[str, Any] = {"actor": actor, "action": action, "subject": subject}
    acts = asyncio.run(_read(read_settings(), asked | {"before": before, "limit": limit}))
    if as_json:
        print_json([act.as_document() for act in acts])
        return
    columns = ("id", "at", "actor", "action", "subject", "detail")
    print_table(columns, [_row(act) for act in acts], nothing="nothing was done by hand")


async def _read(settings: Settings, asked: dict[str, Any]) -> Sequence[Act]:
    database = open_database(settings)
    # here, so that the command can say what it needs where the packages are not installed
    from ..store.postgres.repositories.audit import AuditRepository

    async def read(connection: Connection) -> Sequence[Act]:
        return await AuditRepository(connection).list(**asked)

    try:
        return await database.read(read)
    finally:
        await database.close()


def _row(act: Act) -> dict[str, object]:
    return {
        "id": str(act.id),
        "at": shown(act.at),
        "actor": act.actor,
        "action": act.action,
        "subject": act.subject,
        "detail": to_json(act.detail).decode() if act.detail else None,
    }
