"""`monarq users`: who may use the dashboard.  It asks for no permission: who runs it has the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from monarq.jobs.actor import this_actor
from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.output import AsJson, print_json, print_table
from monarq.jobs.cli.session import read_settings, with_store
from monarq.jobs.identity import new_job_id
from monarq.jobs.store.connection import Link

from .needed import (
    Kinds,
    Networks,
    Queues,
    Roles,
    dashboard_packages,
    grants_from,
    grants_in_words,
    plain_grants,
    read_password,
    user_named,
    with_directory,
)

if TYPE_CHECKING:
    from ..directory.directory import Directory, User
    from ..settings import DashboardSettings

app = new_commands(help="Who may use the dashboard.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Of the user.")]


@app.command("list")
def list_users(as_json: AsJson = False) -> None:
    """Show the users, and what they may do."""

    async def work(directory: Any) -> list[Any]:
        return [user async for user in _all(directory)]

    users = with_directory(work)
    if as_json:
        print_json([_document(user) for user in users])
        return
    rows = [
        {
            "name": user.name,
            "grants": grants_in_words(user.grants),
            "state": "active" if user.is_active else "disabled",
            "by": user.created_by,
        }
        for user in users
    ]
    print_table(
        ("name", "grants", "state", "by"),
        rows,
        nothing="no user; add one: monarq users create NAME --role admin",
    )


@app.command()
def create(
    name: Name,
    roles: Roles = None,
    queues: Queues = None,
    kinds: Kinds = None,
    networks: Networks = None,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Let them in by `monarq users login` only.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--print", help="Write nothing; print the entry for MONARQ_DASHBOARD_USERS.")
    ] = False,
) -> None:
    """Add a user.  The password is asked for, or read from stdin."""
    with dashboard_packages():
        from ..auth.passwords import hash_password
        from ..directory.directory import User
    grants = grants_from(roles, queues, kinds, networks)
    password_hash = None if no_password else hash_password(read_password())
    if show:
        print_json({name: {"password": password_hash or "", "grants": plain_grants(grants)}})
        return
    user = User(
        id=new_job_id(),
        name=_checked(name),
        grants=grants,
        password_hash=password_hash,
        created_by=this_actor(),
    )
    if with_directory(lambda directory: directory.add_user(user)) is None:
        raise typer.BadParameter(f"there is a user {name} already")
    typer.echo(f"created {name}: {grants_in_words(grants)}")


@app.command()
def grant(
    name: Name, roles: Roles = None, queues: Queues = None, kinds: Kinds = None, networks: Networks = None
) -> None:
    """Say anew what a user may do; what they could do before is forgotten.  It counts at once."""
    grants = grants_from(roles, queues, kinds, networks)
    _change(name, grants=grants)
    typer.echo(f"{name}: {grants_in_words(grants)}")


@app.command()
def password(name: Name) -> None:
    """Set a user's password, and end their logins."""
    with dashboard_packages():
        from ..auth.passwords import hash_password
    user_id = _change(name, password_hash=hash_password(read_password()))
    _end_logins(user_id)
    typer.echo(f"{name} has a new password")


@app.command()
def disable(name: Name) -> None:
    """Let a user do nothing any more, nor their tokens."""
    _end_logins(_change(name, is_active=False))
    typer.echo(f"{name} is disabled")


@app.command()
def enable(name: Name) -> None:
    """Let a user in again."""
    _change(name, is_active=True)
    typer.echo(f"{name} is active")


@app.command()
def delete(name: Name) -> None:
    """Forget a user, with their tokens and logins."""

    async def work(directory: Any) -> str:
        user = await user_named(directory, name)
        await directory.delete_user(user.id)
        return user.id

    _end_logins(with_directory(work))
    typer.echo(f"deleted {name}")


@app.command()
def login(name: Name) -> None:
    """Print an address that logs this user in: once, and within five minutes."""
    with dashboard_packages():
        from ..settings import load_dashboard_settings
    settings = load_dashboard_settings()
    user = with_directory(lambda directory: user_named(directory, name))
    secret = with_store(read_settings(), lambda link: _sessions(link).offer_login(user.id))
    typer.echo(f"{settings.address}/login/{secret}")


def login_address(settings: DashboardSettings, name: str) -> str:
    """An address that logs this user in, once, for as long as a login may last: to be printed at a start.

    Who is not there yet is added, as an admin: whoever can start this could do that, too.
    """

    async def work(directory: Directory) -> User:
        from ..access.grants import Grant
        from ..directory.directory import User

        new = User(
            id=new_job_id(), name=_checked(name), grants=(Grant(role="admin"),), created_by=this_actor()
        )
        known = await directory.user_named(name) or await directory.add_user(new)
        return known or await user_named(directory, name)  # another process was faster

    user = with_directory(work)
    lifetime = settings.session_lifetime
    secret = with_store(read_settings(), lambda link: _sessions(link).offer_login(user.id, lifetime))
    return f"{settings.address}/login/{secret}"


def _change(name: str, **changes: Any) -> str:
    async def work(directory: Any) -> str:
        user = await user_named(directory, name)
        await directory.change_user(user.id, **changes)
        return user.id

    return with_directory(work)


def _end_logins(user_id: str) -> None:
    with_store(read_settings(), lambda link: _sessions(link).end_all(user_id))


def _sessions(link: Link) -> Any:
    from ..auth.sessions import Sessions
    from ..settings import load_dashboard_settings

    settings = load_dashboard_settings()
    return Sessions(link, idle=settings.session_idle, lifetime=settings.session_lifetime)


def _checked(name: str) -> str:
    from pydantic import TypeAdapter, ValidationError

    from ..access.names import Name as NameOf

    try:
        return TypeAdapter(NameOf).validate_python(name)
    except ValidationError:
        raise typer.BadParameter("a name has 1 to 100 of A-Z a-z 0-9 _ . @ + -") from None


async def _all(directory: Any) -> Any:
    after = ""
    while page := await directory.users(after=after, limit=200):
        for user in page:
            yield user
        after = page[-1].id


def _document(user: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": user.name,
        "grants": plain_grants(user.grants),
        "is_active": user.is_active,
        "created_at": user.created_at,
        "created_by": user.created_by,
    }
