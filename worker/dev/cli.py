"""`monarq dev`: everything that is needed to work on an app, in one process group."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import read_settings
from monarq.jobs.settings import Settings

from .child import Child
from .supervisor import Supervisor
from .valkey import EmbeddedValkey

app = new_commands()

#: What a worker runs if the app names no modules: something to try.
SHIPPED = "monarq.jobs.catalog"
_COLOURS = (
    typer.colors.CYAN,
    typer.colors.GREEN,
    typer.colors.YELLOW,
    typer.colors.MAGENTA,
    typer.colors.BLUE,
)


@app.command()
def dev(
    jobs: Annotated[
        str | None,
        typer.Option(
            metavar="MODULES", help="Modules that hold @job handlers, separated by commas.  [MONARQ_JOBS]"
        ),
    ] = None,
    queues: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="What the workers serve: default,mail  [MONARQ_QUEUES]"),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Loopback port; 0: a socket in the folder.")
    ] = 0,
    directory: Annotated[Path, typer.Option("--dir", help="Where the data lie.")] = Path(".monarq"),
    workers: Annotated[int, typer.Option(min=0, help="Worker processes.")] = 1,
    watch: Annotated[
        bool, typer.Option("--watch", help="Restart workers when a file of this folder changes.")
    ] = False,
) -> None:
    """Start a Valkey of your own and workers for your jobs; stop them with Ctrl-C.

    The data stay in the folder: the next start goes on where this one ended.
    """
    settings = read_settings(jobs=jobs, queues=queues)
    # until the supervisor listens: the server must not be left behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    valkey = EmbeddedValkey(directory, port).start()
    try:
        modules = ",".join(settings.jobs) or SHIPPED
        command = _worker_command(modules, queues, watch)
        _greet(valkey, modules, workers)
        code = asyncio.run(_supervise(settings, valkey, command, workers))
    finally:
        valkey.stop()
    raise typer.Exit(code)


def _worker_command(modules: str, queues: str | None, watch: bool) -> list[str]:
    command = [sys.executable, "-m", "monarq.jobs.cli", "worker", "--jobs", modules]
    return command + (["--queues", queues] if queues else []) + (["--watch"] if watch else [])


async def _supervise(settings: Settings, valkey: EmbeddedValkey, command: list[str], workers: int) -> int:
    environ = {"MONARQ_REDIS_URL": valkey.url, "PYTHONUNBUFFERED": "1"}
    if sys.stdout.isatty() and settings.log_format == "auto":
        environ["MONARQ_LOG_FORMAT"] = "console"  # it comes out at our terminal, though through a pipe
    children = {
        f"worker.{number}": Child(
            command, environ=environ, on_line=partial(_print, f"worker.{number}", number)
        )
        for number in range(1, workers + 1)
    }
    supervisor = Supervisor(valkey, children, drain=settings.drain_timeout, say=partial(_print, "dev", 0))
    return await supervisor.run()


def _greet(valkey: EmbeddedValkey, modules: str, workers: int) -> None:
    shown = os.path.relpath(valkey.directory)
    lines = [
        f"Valkey    {valkey.url}  (data in {shown})",
        f"Workers   {workers} for {modules}"
        + ("  (the shipped kinds; name yours: --jobs)" if modules == SHIPPED else ""),
        "",
        "In another terminal:",
        f"  export MONARQ_REDIS_URL={shlex.quote(valkey.url)} MONARQ_JOBS={shlex.quote(modules)}",
        '  monarq enqueue KIND --args \'{"name": "value"}\' --wait',
        "  monarq queues",
        "  monarq dead list",
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _print(name: str, number: int, line: str) -> None:
    label = f"{name:<8} |"
    colour = _COLOURS[number % len(_COLOURS)]
    with suppress(OSError):  # who listened is gone; the processes must be kept and stopped all the same
        print(f"{typer.style(label, fg=colour) if sys.stdout.isatty() else label} {line}", flush=True)
