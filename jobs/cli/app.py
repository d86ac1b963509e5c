"""Puts the command line together from what each room has registered, and turns errors into exit codes.

A room registers a command as an entry point of the group `monarq.commands`: its name is the command's, its
object a `typer.Typer`.  Nothing is imported before its command is called, or listed.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from importlib.metadata import EntryPoint, entry_points, version
from typing import Annotated, Any, cast

import typer

from ..errors import DatabaseUnavailable, MonarqError, StoreUnavailable
from .exit_codes import ExitCode, exit_code_of

ENTRY_POINTS = "monarq.commands"

app = typer.Typer(
    name="monarq",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"monarq {version('monarq')}")
        raise typer.Exit


@app.callback()
def monarq(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Typed async jobs on Redis.

    Settings come from the environment: MONARQ_REDIS_URL, MONARQ_JOBS, MONARQ_QUEUES and others.
    """


class Commands(MutableMapping[str, Any]):
    """The registered commands by name; each is loaded when it is first asked for."""

    def __init__(self, registered: Sequence[EntryPoint]) -> None:
        self._registered = {point.name: point for point in sorted(registered, key=lambda point: point.name)}
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            command = typer.main.get_command(self._registered[name].load())
            command.name = name
            self._loaded[name] = command
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._registered)

    def __len__(self) -> int:
        return len(self._registered)


def run(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    group = cast(typer.core.TyperGroup, typer.main.get_command(app))
    group.commands = Commands([*entry_points(group=ENTRY_POINTS)])
    try:
        group.main(list(arguments), prog_name="monarq")
    except SystemExit as end:
        return (
            end.code if isinstance(end.code, int) else ExitCode.OK if end.code is None else ExitCode.FAILURE
        )
    except MonarqError as error:
        return _report(error)
    except Exception:
        traceback.print_exc()
        print("monarq: an unexpected error, see above", file=sys.stderr)
        return ExitCode.INTERNAL
    return ExitCode.OK


def _report(error: MonarqError) -> ExitCode:
    if os.environ.get("MONARQ_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    faults = getattr(error, "faults", None)
    if isinstance(faults, list) and len(faults) > 1:
        print(
            "monarq: the configuration has faults:",
            *(f"  - {fault}" for fault in faults),
            sep="\n",
            file=sys.stderr,
        )
    else:
        print(f"monarq: {error}", file=sys.stderr)
    if isinstance(error, DatabaseUnavailable):
        print("monarq: start it, or set MONARQ_DATABASE_URL", file=sys.stderr)
    elif isinstance(error, StoreUnavailable):
        print(
            "monarq: start it, or set MONARQ_REDIS_URL; `monarq dev` brings one of its own", file=sys.stderr
        )
    return exit_code_of(error)
