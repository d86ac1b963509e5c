"""`monarq dev`: everything that is needed to work on an app, in one process group."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import read_settings
from monarq.jobs.settings import METRICS_PORT, Settings

from .child import Child
from .dashboard import NAME, Dashboard, has_packages
from .servers import Servers
from .supervisor import Supervisor

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
        int, typer.Option(min=0, max=65535, help="Valkey's loopback port; 0: a socket in the folder.")
    ] = 0,
    directory: Annotated[Path, typer.Option("--dir", help="Where the data lie.")] = Path(".monarq"),
    workers: Annotated[int, typer.Option(min=0, help="Worker processes.")] = 1,
    postgres: Annotated[
        bool | None,
        typer.Option(
            "--postgres/--no-postgres", help="A PostgreSQL, too; by default if its packages are installed."
        ),
    ] = None,
    dashboard: Annotated[
        bool | None,
        typer.Option(
            "--dashboard/--no-dashboard", help="The dashboard, too; by default if its packages are installed."
        ),
    ] = None,
    dashboard_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="The dashboard's port; by default 8080, or one that is free."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Restart workers when a file of this folder changes.")
    ] = False,
) -> None:
    """Start a Valkey and a PostgreSQL of your own, workers and the dashboard; stop them with Ctrl-C.

    The data stay in the folder: the next start goes on where this one ended.
    """
    settings = read_settings(jobs=jobs, queues=queues)
    # until the supervisor listens: the servers must not be left behind
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    modules = ",".join(settings.jobs) or SHIPPED
    wanted = has_packages() if dashboard is None else dashboard
    with Servers(directory, port, postgres=postgres) as servers:
        servers.migrate(settings)
        pages = Dashboard(directory, dashboard_port) if wanted else None
        processes = workers + (pages is not None)
        _greet(servers, [*_pages(pages, dashboard), *_metrics(settings, processes)], modules, workers)
        command = _worker_command(modules, queues, watch)
        code = asyncio.run(_supervise(settings, servers, pages, command, workers))
    raise typer.Exit(code)


def _worker_command(modules: str, queues: str | None, watch: bool) -> list[str]:
    command = [sys.executable, "-m", "monarq.jobs.cli", "worker", "--jobs", modules]
    return command + (["--queues", queues] if queues else []) + (["--watch"] if watch else [])


async def _supervise(
    settings: Settings, servers: Servers, pages: Dashboard | None, command: list[str], workers: int
) -> int:
    environ = {**servers.environ, "PYTHONUNBUFFERED": "1"}
    if sys.stdout.isatty() and settings.log_format == "auto":
        environ["MONARQ_LOG_FORMAT"] = "console"  # it comes out at our terminal, though through a pipe
    children = {
        f"worker.{number}": Child(
            command,
            environ=environ | {"MONARQ_METRICS_PORT": str(_metrics_port(settings, number))},
            on_line=partial(_print, f"worker.{number}", number),
        )
        for number in range(1, workers + 1)
    }
    if pages is not None:
        port = _metrics_port(settings, workers + 1)
        children[NAME] = pages.child(environ | {"MONARQ_METRICS_PORT": str(port)}, partial(_print, NAME, 0))
    say = partial(_print, "dev", 0)
    return await Supervisor(servers.by_name, children, drain=settings.drain_timeout, say=say).run()


def _metrics_port(settings: Settings, number: int) -> int:
    """The first worker has the usual port, each of the others the next one, and the dashboard the one after
    them; 0 if none shall have any.
    """
    first = METRICS_PORT if settings.metrics_port is None else settings.metrics_port
    return first and first + number - 1


def _pages(pages: Dashboard | None, wanted: bool | None) -> Iterator[str]:
    """A line about the dashboard, unless it was declined."""
    if pages is not None:
        yield f"Dashboard   {pages.url}  (an address that logs you in follows)"
    elif wanted is not False:
        yield "Dashboard   none; to have one: pip install 'monarq[dashboard]'"


def _metrics(settings: Settings, processes: int) -> Iterator[str]:
    """A line about where Prometheus finds the processes, if it is to find them."""
    if processes and (first := _metrics_port(settings, 1)):
        others = f" to {first + processes - 1}, one of each process" if processes > 1 else ""
        yield f"Metrics     http://{settings.metrics_host}:{first}/metrics{others}"


def _greet(servers: Servers, more: list[str], modules: str, workers: int) -> None:
    exports = {**servers.environ, "MONARQ_JOBS": modules}
    lines = [
        *servers.told(),
        f"Workers     {workers} for {modules}"
        + ("  (the shipped kinds; name yours: --jobs)" if modules == SHIPPED else ""),
        *more,
        "",
        "In another terminal:",
        *(f"  export {name}={shlex.quote(value)}" for name, value in exports.items() if value is not None),
        '  monarq enqueue KIND --args \'{"name": "value"}\' --wait',
        "  monarq queues",
        "  monarq dead list",
        *(["  monarq jobs"] if servers.postgres is not None else []),
        "",
        "Ctrl-C stops everything.",
        "",
    ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()


def _print(name: str, number: int, line: str) -> None:
    label = f"{name:<9} |"
    colour = _COLOURS[number % len(_COLOURS)]
    with suppress(OSError):  # who listened is gone; the processes must be kept and stopped all the same
        print(f"{typer.style(label, fg=colour) if sys.stdout.isatty() else label} {line}", flush=True)
