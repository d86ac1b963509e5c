"""The relay: brings committed jobs from the outbox to Redis, for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from monarq.jobs.errors import StoreError
from monarq.jobs.settings import Settings
from monarq.jobs.store import outage
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.listener import Listener

from .counting import EnqueueCounts
from .relay_batch import BATCH, Carried, Carrier

log = structlog.get_logger("monarq.relay")

_CHANNEL = "monarq_outbox"
#: How often to look without having heard anything: announcements are hints.
_LOOK_SECONDS = 1.0
#: The same where nothing can be heard, at first: each look that finds nothing doubles it, up to the above.
_DEAF_LOOK_SECONDS = 0.05


class Outage(outage.Outage):
    """The relay's view of its stores."""

    room = "relay"


class Relay:
    """Looks when something is announced, and now and then.  Any number of them share the work.

    Args:
        database: Whose outbox it empties.
        redis: Where the jobs go.
        settings: By them it knows where it can listen.
    """

    def __init__(self, database: Database, redis: Transport, settings: Settings) -> None:
        self._database = database
        self._carrier = Carrier(redis, tagged=settings.hash_tags)
        self._heard = asyncio.Event()
        self._stopping = False
        #: It has looked once, and both stores have answered.
        self.has_looked = False
        #: Rows that it has brought to Redis, and the jobs that were new there.
        self.relayed = 0
        self.counts = EnqueueCounts()
        self._outage = Outage("outbox")
        self._deafness = Outage("listening")
        self._listener = _listener(settings, began=self._began, heard=self._heard.set)

    async def run(self) -> None:
        """Relay until stopped or cancelled, whatever is away meanwhile."""
        listening = asyncio.create_task(self._listen(), name="monarq-relay-listen")
        try:
            await self._relay()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    def stop(self) -> None:
        """End after the batch that is under way."""
        self._stopping = True
        self._heard.set()

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping

    async def carry(self) -> Carried:
        """Relay one batch.

        Raises:
            StoreError: PostgreSQL or Redis did not do its part; all rows are still there.
        """
        carried = await self._database.transact(self._carrier.carry)
        self.has_looked = True
        self.relayed += carried.taken - len(carried.set_aside)
        self.counts.add(carried.new)
        for job_id, reason in carried.set_aside.items():
            log.warning("relay.set_aside", job_id=job_id, reason=reason, mend="monarq outbox")
        return carried

    async def _relay(self) -> None:
        pause = _DEAF_LOOK_SECONDS
        while not self._stopping:
            self._heard.clear()
            try:
                taken = (await self.carry()).taken
            except StoreError as error:
                await self._outage.wait(error)
                continue
            self._outage.over()
            pause = _DEAF_LOOK_SECONDS if taken else min(2 * pause, _LOOK_SECONDS)
            if taken < BATCH and not self._stopping:
                await self._wait(pause if self._listener is None else _LOOK_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        except TimeoutError:
            pass

    async def _listen(self) -> None:
        if self._listener is None:
            return
        while True:
            try:
                await self._listener.listen()
            except StoreError as error:
                await self._deafness.wait(error)

    def _began(self) -> None:
        self._deafness.over()
        self._heard.set()


def _listener(settings: Settings, **told: Callable[[], None]) -> Listener | None:
    url = settings.database_direct_url
    if url is None and settings.database_prepared_statements:
        url = settings.database_url
    # else PgBouncer is in between, and hears nothing for us
    return None if url is None else Listener(url.get_secret_value(), settings, _CHANNEL, **told)
