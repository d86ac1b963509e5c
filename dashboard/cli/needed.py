"""What the commands share: a directory to work on, and words for packages that are not there."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from monarq.jobs.cli.output import on_terminal
from monarq.jobs.cli.session import read_settings
from monarq.jobs.errors import ConfigError

if TYPE_CHECKING:
    from ..access.grants import Grants
    from ..directory.directory import Directory, User

T = TypeVar("T")

Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", help="viewer, operator, producer, admin, or one of the settings."),
]
Queues = Annotated[
    list[str] | None,
    typer.Option(
        "--queue", "-q", metavar="PATTERN", help="Only queues like this: `mail*`.  May be repeated."
    ),
]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", "-k", metavar="PATTERN", help="Only jobs of kinds like this.  May be repeated."),
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--from", metavar="NETWORK", help="Only requests from there: 10.0.0.0/8.  May be repeated."),
]


@contextmanager
def dashboard_packages() -> Iterator[None]:
    """Turn a package that is missing into words that say how to get it.

    Raises:
        ConfigError: One is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("monarq"):
            raise
        told = f"the dashboard needs some packages ({error}): pip install 'monarq[dashboard]'"
        raise ConfigError([told]) from None


def with_directory(work: Callable[[Directory], Awaitable[T]]) -> T:
    """Run `work` on the users and tokens of the settings' PostgreSQL, or of the settings."""

    async def run() -> T:
        with dashboard_packages():
            from monarq.jobs.store.postgres import open_database_if_named

            from ..services.services import directory_of
            from ..settings import load_dashboard_settings
        database = open_database_if_named(settings)
        try:
            return await work(directory_of(database, load_dashboard_settings()))
        finally:
            if database is not None:
                await database.close()

    settings = read_settings()
    return asyncio.run(run())


def grants_from(
    roles: list[str] | None, queues: list[str] | None, kinds: list[str] | None, networks: list[str] | None
) -> Grants:
    """What the options grant: each role, limited in the same way."""
    from ..access.grants import GRANTS
    from ..settings import load_dashboard_settings

    known = load_dashboard_settings().all_roles()
    if unknown := sorted(set(roles or ()) - set(known)):
        raise typer.BadParameter(f"there is no role {unknown[0]}; there are: {', '.join(known)}")
    limits = {"queues": queues, "kinds": kinds, "networks": networks}
    given = {name: values for name, values in limits.items() if values}
    try:
        return GRANTS.validate_python([{"role": role} | given for role in roles or ()])
    except ValidationError as error:
        fault = error.errors()[0]
        raise typer.BadParameter(f"{fault['input']!r}: {fault['msg']}") from None


def plain_grants(grants: Grants) -> Any:
    """What is granted as plain data, for `--json` and for settings."""
    from ..access.grants import GRANTS

    return GRANTS.dump_python(grants, mode="json", exclude_defaults=True)


def grants_in_words(grants: Grants) -> str:
    """What is granted, in a line."""
    return (
        "; ".join(_in_words(grant.model_dump(mode="json", exclude_defaults=True)) for grant in grants) or "-"
    )


def _in_words(grant: dict[str, object]) -> str:
    what = grant.pop("role", None) or " ".join(map(str, _listed(grant.pop("permissions", ()))))
    limits = [f"{name} {' '.join(map(str, _listed(values)))}" for name, values in grant.items()]
    return f"{what} ({', '.join(limits)})" if limits else str(what)


def _listed(values: object) -> list[object]:
    return list(values) if isinstance(values, (list, tuple)) else [values]


async def user_named(directory: Directory, name: str) -> User:
    """The user of this name, or the end of the command."""
    user = await directory.user_named(name)
    if user is None:
        raise typer.BadParameter(f"there is no user {name}; see: monarq users list")
    return user


def read_password() -> str:
    """A new password: asked for on a terminal, else the first line of stdin.

    Never an argument, which `ps` shows.
    """
    from ..auth.passwords import fault_of

    if on_terminal():
        password = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if (fault := fault_of(password)) is not None:
        raise typer.BadParameter(fault)
    return password
