"""Where numbers over time are read, and kept for a moment: all who look at once cost one look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from monarq.jobs.errors import DatabaseUnavailable
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.queues import known_queues
from monarq.jobs.store.series import Sample, read_samples
from monarq.jobs.store.tally import Tally

from ..cache import Cache, Kept
from ..errors import InvalidRequest
from . import minutes
from .series import Tallies
from .windows import DAY, FIVE_MINUTES, HOUR, MINUTE, Window, Wish

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.rollup_reader import RollupReader
    from monarq.jobs.store.postgres.rollup_search import RollupFilter

#: Seconds.  Both are written once a minute.
_SAMPLES_FRESH = 5.0
_HISTORY_FRESH = 15.0
#: Of what is older there are hours only: whole days of five-minute spans are kept, three at least.
_FINE = 3 * DAY
_LINE_STEP = 2 * MINUTE
#: Seconds that a page waits for a PostgreSQL that does not answer at all, and that nobody asks it afterwards.
_PATIENCE = _REST = 3.0

T = TypeVar("T")
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the samples of some queues say of a window."""

    tallies: Tallies
    oldest: list[float | None]
    known_until: datetime | None
    is_stale: bool


class Samples:
    """Reads the samples in Redis."""

    def __init__(self, transport: Transport, *, tagged: bool) -> None:
        self._transport = transport
        self._tagged = tagged
        self._queues: Cache[dict[str, QueueKeys]] = Cache(_SAMPLES_FRESH)
        self._found: Cache[dict[int, Sample]] = Cache(_SAMPLES_FRESH)
        self._lines: Cache[dict[str, Sequence[float | None]]] = Cache(_SAMPLES_FRESH)

    async def queues(self) -> Sequence[str]:
        """The names of all queues."""
        return list((await self._known()).value)

    async def of(self, names: Sequence[str], window: Window) -> Sampled:
        """What they say of some queues; those that are not there are left out."""
        known = await self._known()
        found = await asyncio.gather(
            *(self._samples(known.value[name], window) for name in names if name in known.value)
        )
        samples = [one.value for one in found]
        return Sampled(
            minutes.tallies_of(samples, window),
            minutes.oldest_ages(samples, window),
            minutes.known_until(samples),
            known.is_stale or any(one.is_stale for one in found),
        )

    async def lines(self, now: datetime) -> Mapping[str, Sequence[float | None]]:
        """Jobs that ended per minute in the last hour, of every queue."""
        window = Window(_whole(now - HOUR), _whole(now), _LINE_STEP)
        return (await self._lines.get(window.since.isoformat(), lambda: self._read_lines(window))).value

    async def _read_lines(self, window: Window) -> dict[str, Sequence[float | None]]:
        known = (await self._known()).value
        found = await asyncio.gather(*(self._read(keys, window) for keys in known.values()))
        return {name: minutes.per_step(samples, window) for name, samples in zip(known, found, strict=True)}

    async def _known(self) -> Kept[dict[str, QueueKeys]]:
        return await self._queues.get("", self._read_known)

    async def _read_known(self) -> dict[str, QueueKeys]:
        return {keys.name: keys for keys in await known_queues(self._transport, tagged=self._tagged)}

    async def _samples(self, queue: QueueKeys, window: Window) -> Kept[dict[int, Sample]]:
        key = f"{queue.name} {window.since.isoformat()} {window.until.isoformat()}"
        return await self._found.get(key, lambda: self._read(queue, window))

    async def _read(self, queue: QueueKeys, window: Window) -> dict[int, Sample]:
        # one minute more: what ended in the last one is known by the sample after it
        since, until = (round(moment.timestamp() * 1000) for moment in (window.since, window.until + MINUTE))
        return await read_samples(self._transport, queue, since, until)


class History:
    """Reads the roll-ups in PostgreSQL."""

    def __init__(self, reader: RollupReader) -> None:
        self._reader = reader
        self._rests_until = 0.0
        self._known_until: Cache[datetime | None] = Cache(_HISTORY_FRESH)
        self._pairs: Cache[Sequence[tuple[str, str]]] = Cache(_HISTORY_FRESH, most=50)
        self._by_time: Cache[dict[datetime, Tally]] = Cache(_HISTORY_FRESH, most=200)
        self._by_name: Cache[dict[str, Tally]] = Cache(_HISTORY_FRESH, most=200)

    def window(self, wish: Wish, now: datetime) -> Window:
        """The window, in steps that can be told.

        Raises:
            InvalidRequest: It asks for finer steps than there are any more.
        """
        window = wish.window(now, FIVE_MINUTES)
        if window.has_whole_hours or window.since >= now - _FINE:
            return window
        if wish.step is not None:
            raise InvalidRequest({"step": f"of what is older than {_FINE.days} days there are hours only"})
        return wish.window(now, HOUR)

    async def known_until(self) -> datetime | None:
        """Until when all that has ended is in the numbers, as far as it is in the history."""
        return (await self._known_until.get("", lambda: self._ask(self._reader.looked_at))).value

    async def pairs(self, window: Window) -> Sequence[tuple[str, str]]:
        """Which queues and kinds there are, pair by pair."""
        wanted = _wanted(window, None, None, None, minutes=60)
        return (
            await self._pairs.get(_key(wanted), lambda: self._ask(lambda: self._reader.pairs(wanted)))
        ).value

    async def by_time(
        self, window: Window, queue: str | None, kind: str | None, among: Pairs | None
    ) -> Kept[dict[datetime, Tally]]:
        """What ended, per step."""
        wanted = _wanted(window, queue, kind, among)
        key = f"{_key(wanted)} {window.step}"
        return await self._by_time.get(
            key, lambda: self._ask(lambda: self._reader.by_time(wanted, window.step))
        )

    async def by_name(
        self, name: str, window: Window, queue: str | None, among: Pairs | None
    ) -> Kept[dict[str, Tally]]:
        """What ended, per `queue` or per `kind`."""
        wanted = _wanted(window, queue, None, among)
        read = self._reader.by_kind if name == "kind" else self._reader.by_queue
        return await self._by_name.get(f"{name} {_key(wanted)}", lambda: self._ask(lambda: read(wanted)))

    async def _ask(self, read: Callable[[], Awaitable[T]]) -> T:
        """Do not wait for ever: the rest of the page is known."""
        if time.monotonic() < self._rests_until:
            raise DatabaseUnavailable("PostgreSQL: it did not answer a moment ago")
        try:
            async with asyncio.timeout(_PATIENCE):
                return await read()
        except TimeoutError:
            self._rests_until = time.monotonic() + _REST
            raise DatabaseUnavailable("PostgreSQL: no answer in time") from None


def _wanted(
    window: Window, queue: str | None, kind: str | None, among: Pairs | None, *, minutes: int | None = None
) -> RollupFilter:
    from monarq.jobs.store.postgres.rollup_search import RollupFilter

    span = minutes or (60 if window.has_whole_hours else 5)
    since = window.since.replace(minute=0) if span == 60 else window.since
    return RollupFilter(minutes=span, since=since, until=window.until, queue=queue, kind=kind, among=among)


def _key(wanted: RollupFilter) -> str:
    return repr(wanted)


def _whole(moment: datetime) -> datetime:
    return moment - (moment - datetime(1970, 1, 1, tzinfo=UTC)) % timedelta(minutes=2)
