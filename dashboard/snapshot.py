"""What pages and the API show of the present: one look at the stores for all who ask.

Redis is asked at most once a second, PostgreSQL at most every ten, and neither while nobody asks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from monarq.jobs.errors import StoreError
from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.fleet import FRESH, Fleet, FleetWatch
from monarq.jobs.store.measure import QueueNumbers
from monarq.jobs.store.shared_reading import Reading, SharedReading

from .bus import Bus
from .pulse import Pulse

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.counts import DatabaseCounts
    from monarq.jobs.store.postgres.database import Database

#: Seconds for which counts of PostgreSQL serve, give or take a fifth: dashboards must not ask in step.
_FRESH_COUNTS = 10.0
_SPREAD = 0.2
#: Seconds to wait for newer ones while there are some.
_PATIENCE = 0.05
#: Seconds after which a look that was shown is older than any that serves.
_OUTRUN = 2 * FRESH
#: Seconds that letters may take from Redis to PostgreSQL.
_MOVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far what is shown can be believed."""

    taken_at: datetime
    age_seconds: float
    #: The code of what keeps Redis from being read anew; None if nothing does.
    redis: str | None
    #: The same of PostgreSQL; None also if there is none.
    postgres: str | None

    @property
    def is_stale(self) -> bool:
        """Whether it is the last that was seen before Redis went away."""
        return self.redis is not None

    @property
    def is_outrun(self) -> bool:
        """Whether a newer look is under way, for longer than this page could wait for it."""
        return self.redis is None and self.age_seconds > _OUTRUN


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Both stores at a glance."""

    fleet: Fleet
    #: None if there is no PostgreSQL, or while it has not been read.
    counts: DatabaseCounts | None
    freshness: Freshness

    def dead(self, numbers: QueueNumbers) -> int:
        """Dead letters of a queue, as far as they are known."""
        return numbers.dead + (self.counts.dead.get(numbers.queue, 0) if self.counts else 0)


class Snapshots:
    """Takes them."""

    def __init__(self, transport: Transport, database: Database | None, settings: Settings, bus: Bus) -> None:
        #: Tells of changes while somebody wants them.
        self.pulse = Pulse(self.take, bus)
        self.watch = FleetWatch(transport, tagged=settings.hash_tags)
        self._counts = None if database is None else _counts_of(database)
        #: Dead letters in Redis at the last look, and until when they may be on their way to PostgreSQL.
        self._dead = 0
        self._move_until = 0.0
        for change in ("job.dead", "job.replayed", "job.discarded", "events.missed"):
            bus.on(change, lambda _: self._recount())

    async def take(self) -> Snapshot:
        """What is known now.

        Raises:
            StoreUnavailable: Redis does not answer, and has not since this process began.
        """
        fleet = await self.watch.look()
        self._follow_letters(sum(numbers.dead for numbers in fleet.value.queues.values()))
        counts, failure = await self._read_counts()
        freshness = Freshness(
            taken_at=fleet.value.taken_at,
            age_seconds=fleet.age,
            redis=fleet.failure.code if fleet.failure else None,
            postgres=failure.code if failure else None,
        )
        return Snapshot(fleet=fleet.value, counts=counts, freshness=freshness)

    async def close(self) -> None:
        """Take no more."""
        await self.pulse.close()
        await self.watch.close()
        if self._counts is not None:
            await self._counts.close()

    def _follow_letters(self, dead: int) -> None:
        """Letters that leave Redis are in PostgreSQL a moment later: count them there."""
        if dead < self._dead:
            self._move_until = time.monotonic() + _MOVE_SECONDS
        self._dead = dead
        if time.monotonic() < self._move_until:
            self._recount()

    def _recount(self) -> None:
        if self._counts is not None:
            self._counts.expire()

    async def _read_counts(self) -> tuple[DatabaseCounts | None, StoreError | None]:
        if self._counts is None:
            return None, None
        try:
            reading: Reading[DatabaseCounts] = await self._counts.get()
        except StoreError as error:
            return None, error
        return reading.value, reading.failure


def _counts_of(database: Database) -> SharedReading[DatabaseCounts]:
    from monarq.jobs.store.postgres.counts import read_counts

    return SharedReading(
        lambda: read_counts(database), fresh=_FRESH_COUNTS, jitter=_SPREAD, patience=_PATIENCE
    )
