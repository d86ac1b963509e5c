"""`monarq relay`: bring committed jobs from PostgreSQL to Redis until told to stop."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import structlog
import typer

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import read_settings
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database

log = structlog.get_logger("monarq.relay")

app = new_commands()

MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Metrics and probes; 0: none.  [MONARQ_METRICS_PORT]  Default: 9463."
    ),
]


@app.command()
def relay(metrics_port: MetricsPort = None) -> None:
    """Bring jobs that were enqueued in transactions from PostgreSQL to Redis, until told to stop.

    Workers do it as well, unless MONARQ_RELAY is off; any number of relays share the work.  SIGTERM or Ctrl-C
    ends it after the batch that is under way.
    """
    asyncio.run(_relay(read_settings(metrics_port=metrics_port)))


async def _relay(settings: Settings) -> None:
    database = open_database(settings)
    from .relay import Relay  # these import what need not be installed
    from .relay_vitals import RelayVitals

    link = Link(from_url(settings.redis_url.get_secret_value()))
    relay = Relay(database, link, settings)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, relay.stop)
    vitals = RelayVitals(relay, link, database, settings)
    vitals.begin()
    log.info("relay.started", **({"metrics_port": vitals.port} if vitals.port else {}))
    try:
        await relay.run()
    finally:
        vitals.end()
        await link.close()
        await database.close()
        log.info("relay.stopped")
