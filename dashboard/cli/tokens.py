"""`monarq tokens`: what programs show to the HTTP API, and the keys that JWTs are signed with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from monarq.jobs.actor import this_actor
from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.exit_codes import ExitCode
from monarq.jobs.cli.moments import shown
from monarq.jobs.cli.output import AsJson, fail, print_json, print_table
from monarq.jobs.identity import new_job_id

from .needed import (
    Kinds,
    Networks,
    Queues,
    Roles,
    dashboard_packages,
    grants_from,
    grants_in_words,
    plain_grants,
    user_named,
    with_directory,
)

app = new_commands(help="What programs show to the HTTP API.", no_args_is_help=True)


@app.command("list")
def list_tokens(as_json: AsJson = False) -> None:
    """Show the tokens, and what they may do.  Of a token only its beginning is known."""

    async def work(directory: Any) -> list[Any]:
        return [token async for token in _all(directory)]

    tokens = with_directory(work)
    if as_json:
        print_json([_document(token) for token in tokens])
        return
    print_table(
        ("id", "name", "begins", "grants", "state", "used"),
        [_row(token) for token in tokens],
        nothing="no token",
    )


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    roles: Roles = None,
    queues: Queues = None,
    kinds: Kinds = None,
    networks: Networks = None,
    owner: Annotated[
        str | None, typer.Option(metavar="USER", help="It may never do more than this user.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it holds.")] = 90,
    show: Annotated[
        bool,
        typer.Option("--print", help="Write nothing; print the entry for MONARQ_DASHBOARD_TOKENS on stderr."),
    ] = False,
) -> None:
    """Make a token, and print it: this once."""
    with dashboard_packages():
        from ..auth.secrets import new_token
        from ..directory.directory import NewToken
    grants = grants_from(roles, queues, kinds, networks)
    secret, digest, hint = new_token()
    expires_at = datetime.now(UTC) + timedelta(days=days)
    if show:
        entry = {"sha256": digest.hex(), "grants": plain_grants(grants), "expires_at": expires_at.isoformat()}
        typer.echo(f"MONARQ_DASHBOARD_TOKENS: {_json({name: entry})}", err=True)
        typer.echo(secret)
        return

    async def work(directory: Any) -> None:
        owner_id = None if owner is None else (await user_named(directory, owner)).id
        await directory.add_token(
            NewToken(
                id=new_job_id(),
                name=name,
                digest=digest,
                hint=hint,
                grants=grants,
                expires_at=expires_at,
                owner_id=owner_id,
                created_by=this_actor(),
            )
        )

    with_directory(work)
    typer.echo(f"{name}: {grants_in_words(grants)}, until {shown(expires_at)}", err=True)
    typer.echo(secret)


@app.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID", help="Of the token; see `list`.")]) -> None:
    """End a token, at once."""
    if not with_directory(lambda directory: directory.revoke_token(token_id)):
        fail(f"there is no token {token_id}; see: monarq tokens list")
        raise typer.Exit(ExitCode.FAILURE)
    typer.echo(f"revoked {token_id}")


@app.command()
def key(
    symmetric: Annotated[
        bool, typer.Option("--hs256", help="A secret, where nobody else is to verify the JWTs.")
    ] = False,
) -> None:
    """Print a new key for MONARQ_DASHBOARD_SIGNING_KEYS.

    To replace a key, put the new one before it, by a comma; drop the old one a quarter of an hour later.
    """
    with dashboard_packages():
        from ..auth.signing import new_key
    typer.echo(new_key("hs256" if symmetric else "ed25519"))


async def _all(directory: Any) -> Any:
    after = ""
    while page := await directory.tokens(after=after, limit=200):
        for token in page:
            yield token
        after = page[-1].id


def _row(token: Any) -> dict[str, Any]:
    over = token.expires_at <= datetime.now(UTC)
    state = "revoked" if token.revoked_at else "expired" if over else f"until {shown(token.expires_at)}"
    return {
        "id": token.id,
        "name": token.name,
        "begins": token.hint,
        "grants": grants_in_words(token.grants),
        "state": state,
        "used": shown(token.last_used_at) if token.last_used_at else None,
    }


def _document(token: Any) -> dict[str, Any]:
    names = (
        "id",
        "name",
        "hint",
        "owner_id",
        "created_at",
        "created_by",
        "expires_at",
        "last_used_at",
        "revoked_at",
    )
    return {name: getattr(token, name) for name in names} | {"grants": plain_grants(token.grants)}


def _json(document: Any) -> str:
    from pydantic_core import to_json

    return to_json(document).decode()
