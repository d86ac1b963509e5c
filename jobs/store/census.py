"""All that the gauges of the fleet are made of, read at one moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import StoreError
from ..settings import Settings
from .cron_successes import read_successes
from .execute import Transport
from .fleet import Fleet, FleetWatch
from .heartbeats import read_heartbeats
from .postgres import open_database_if_named
from .shared_reading import SharedReading
from .workers import CronReport

if TYPE_CHECKING:
    from .postgres.counts import DatabaseCounts
    from .postgres.database import Database

#: Seconds for which a census serves all who scrape, and for which what PostgreSQL has counted does.
FRESH = 1.0
_FRESH_COUNTS = 10.0
#: Seconds for PostgreSQL: less than a census may take, which must not wait for it.
_COUNTS_WITHIN = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What was found."""

    fleet: Fleet
    has_database: bool
    #: None if there is no PostgreSQL, or while it has not been read.
    counts: DatabaseCounts | None
    #: By queue, when the last heartbeat job that has run was enqueued, ms.
    heartbeats: Mapping[str, int]
    #: By kind of cron jobs, when one has succeeded last, ms.
    successes: Mapping[str, int]
    #: How long it took, in seconds.
    took: float


class CensusTaker:
    """Reads when it is asked.  Made in the event loop that uses it."""

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self._transport = transport
        self._watch = FleetWatch(transport, tagged=settings.hash_tags)
        self._database = database = open_database_if_named(settings)
        self._counts = None if database is None else _counts_of(database)
        #: The last one, and how old it is.
        self.shared = SharedReading(self._take, fresh=FRESH)

    async def close(self) -> None:
        """Read no more."""
        await self.shared.close()
        if self._counts is not None:
            await self._counts.close()
        if self._database is not None:
            await self._database.close()

    async def _take(self) -> Census:
        began = time.monotonic()
        fleet = await self._watch.take()
        heartbeats, successes, counts = await asyncio.gather(
            read_heartbeats(self._transport),
            read_successes(self._transport, fleet, {cron.kind for cron in watched_crons(fleet)}),
            self._read_counts(),
        )
        return Census(
            fleet=fleet,
            has_database=self._database is not None,
            counts=counts,
            heartbeats=heartbeats,
            successes=successes,
            took=time.monotonic() - began,
        )

    async def _read_counts(self) -> DatabaseCounts | None:
        try:
            return None if self._counts is None else (await self._counts.get()).value
        except StoreError:
            return None


def _counts_of(database: Database) -> SharedReading[DatabaseCounts]:
    from .postgres.counts import read_counts

    return SharedReading(lambda: read_counts(database), fresh=_FRESH_COUNTS, timeout=_COUNTS_WITHIN)


def watched_crons(fleet: Fleet) -> Iterator[CronReport]:
    """The cron jobs of live workers that write down when they have succeeded; some of them several times."""
    crons = (cron for worker in fleet.workers if worker.is_live for cron in worker.cron)
    return (cron for cron in crons if cron.interval_ms is not None)
