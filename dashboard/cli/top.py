"""`monarq top`: the live fleet in a terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.output import AsJson, print_json, print_table
from monarq.jobs.cli.session import read_settings
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.fleet import FRESH
from monarq.jobs.store.postgres import open_database_if_named

from ..access.authorizer import GrantAuthorizer
from ..access.caller import Caller, Means
from ..access.grants import Grant
from ..access.guard import Guard
from ..access.roles import BUILT_IN
from ..audit import Audit
from ..bus import Bus
from ..services.fleet import FleetService, FleetView
from ..services.queues import QueueService
from ..services.workers import WorkerService
from ..snapshot import Snapshots
from .top_rows import (
    QUEUE_COLUMNS,
    WORKER_COLUMNS,
    document,
    queue_rows,
    sentence,
    staleness,
    summary,
    worker_rows,
)

app = new_commands()

#: Whoever holds the address of Redis sees all that there is.
_VIEWER = Caller(subject="cli", name="cli", grants=(Grant(role="viewer"),), means=Means.TOKEN)


@app.command()
def top(
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end; so it is on a pipe.")] = False,
    as_json: AsJson = False,
) -> None:
    """Watch the queues, the workers and what they run, once a second, and what is wrong: what the dashboard's
    Overview shows, without a dashboard.  Ctrl-C ends it.

    With --json it prints all of it once.
    """
    settings = read_settings()
    if as_json:
        print_json(document(asyncio.run(_look(settings))))
    elif once or not sys.stdout.isatty():
        _print(asyncio.run(_look(settings)))
    else:
        asyncio.run(_watch(settings))


@asynccontextmanager
async def _fleet(settings: Settings) -> AsyncIterator[FleetService]:
    """The service behind the Overview, without those that need the packages of the dashboard."""
    link = Link(from_url(settings.redis_url.get_secret_value()))
    database = open_database_if_named(settings)
    bus, guard = Bus(), Guard(GrantAuthorizer(BUILT_IN), dict(BUILT_IN))
    audit, snapshots = Audit(database, bus), Snapshots(link, database, settings, bus)
    queues = QueueService(link, guard, audit, bus, snapshots, settings)
    workers = WorkerService(link, guard, audit, snapshots)
    try:
        yield FleetService(guard, queues, workers, snapshots, settings)
    finally:
        await snapshots.close()
        await link.close()
        if database is not None:
            await database.close()


async def _look(settings: Settings) -> FleetView:
    async with _fleet(settings) as fleet:
        view = await fleet.overview(_VIEWER)
        if any(queue.rate is None and not queue.numbers.is_empty for queue in view.queues):
            await asyncio.sleep(FRESH)  # how fast a queue moves takes two looks
            view = await fleet.overview(_VIEWER)
        return view


def _print(view: FleetView) -> None:
    typer.echo(summary(view))
    for told in filter(None, (staleness(view), *(f"{one.level}: {sentence(one)}" for one in view.verdicts))):
        typer.echo(told)
    typer.echo()
    print_table(QUEUE_COLUMNS, queue_rows(view), nothing="no queue")
    typer.echo()
    print_table(WORKER_COLUMNS, worker_rows(view), nothing="no worker")


async def _watch(settings: Settings) -> None:
    from rich.console import Console
    from rich.live import Live

    from .top_screen import screen

    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # else the terminal would be left as it is
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    console = Console()
    async with _fleet(settings) as fleet:
        view = await fleet.overview(_VIEWER)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not stopped.is_set():
                live.update(screen(view, console.height, console.width), refresh=True)
                try:
                    await asyncio.wait_for(stopped.wait(), FRESH)
                except TimeoutError:
                    view = await fleet.overview(_VIEWER)
