"""`monarq relay`: bring committed jobs from PostgreSQL to Redis until told to stop."""

from __future__ import annotations

import asyncio
import signal

import structlog

from monarq.jobs.cli.commands import new_commands
from monarq.jobs.cli.session import read_settings
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres import open_database

log = structlog.get_logger("monarq.relay")

app = new_commands()


@app.command()
def relay() -> None:
    """Bring jobs that were enqueued in transactions from PostgreSQL to Redis, until told to stop.

    Workers do it as well, unless MONARQ_RELAY is off; any number of relays share the work.  SIGTERM or Ctrl-C
    ends it after the batch that is under way.
    """
    asyncio.run(_relay(read_settings()))


async def _relay(settings: Settings) -> None:
    database = open_database(settings)
    from .relay import Relay  # it imports what need not be installed

    link = Link(from_url(settings.redis_url.get_secret_value()))
    relay = Relay(database, link, settings)
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, relay.stop)
    log.info("relay.started")
    try:
        await relay.run()
    finally:
        await link.close()
        await database.close()
        log.info("relay.stopped")
