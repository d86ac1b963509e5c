"""Numbers over time: what ended, how long it took and had to wait, as far as the caller may see it.

They come from the roll-ups of the history, where there are some, else from the samples in Redis.  A caller
who may see only some kinds sees the numbers of these.  Samples are of whole queues, and so are for those who
may see whole queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from monarq.jobs.errors import DatabaseUnavailable, StoreUnavailable
from monarq.jobs.histogram import quantile, share_within
from monarq.jobs.store.tally import Tally, surely

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..errors import InvalidRequest, NotSetUp, NotThere
from .numbers import History, Samples
from .series import Metric, Series, Source, Tallies, known_parts, values_of
from .windows import FIVE_MINUTES, MINUTE, Range, Window, Wish

#: What samples can tell.
_SAMPLED = frozenset({Metric.THROUGHPUT, Metric.FAILURE_RATE, Metric.OLDEST_AGE})
_DATABASE = "MONARQ_DATABASE_URL"


class Order(StrEnum):
    """Which kinds come first."""

    SLOWEST = "slowest"  #: by p95 of their run time
    FLAKIEST = "flakiest"  #: by the share that needed more than one attempt
    FAILING = "failing"  #: by the share that died
    BUSIEST = "busiest"  #: by how many ended


@dataclass(frozen=True, slots=True)
class NamedTally:
    """A kind or a queue in numbers."""

    name: str
    tally: Tally
    #: Of a queue: how long its jobs may wait.
    objective: timedelta | None = None

    @property
    def within(self) -> float | None:
        """The share of jobs that waited no longer than they may; None if there were none."""
        if self.objective is None:
            return None
        return share_within(self.tally.wait_counts, self.objective / timedelta(milliseconds=1))


@dataclass(frozen=True, slots=True)
class Ranking:
    """Kinds or queues in numbers, of a window."""

    items: Sequence[NamedTally]
    window: Window
    known_until: datetime | None
    is_stale: bool = False


class InsightService:
    """Tells numbers over time.

    Args:
        history: None where there is no PostgreSQL.
        objective: How long the jobs of a queue may wait.
    """

    def __init__(
        self,
        guard: Guard,
        samples: Samples,
        history: History | None,
        objective: Callable[[str], timedelta],
    ) -> None:
        self._guard = guard
        self._samples = samples
        self._history = history
        self._objective = objective

    async def series(
        self, caller: Caller, metric: Metric, wish: Wish, *, queue: str | None = None, kind: str | None = None
    ) -> Series:
        """One metric of all queues or one, of all kinds or one.

        Raises:
            NotThere: There is no such queue or kind, or it must not be seen.
            NotSetUp: It would take a PostgreSQL.
        """
        scope = await self._guard.scope(caller, Permission.METRICS_READ)
        sources = self._sources(scope, metric, wish, queue, kind)
        for at, source in enumerate(sources):
            try:
                if source is Source.SAMPLES:
                    return await self._from_samples(scope, metric, wish, queue)
                return await self._from_history(scope, metric, wish, queue, kind)
            except (DatabaseUnavailable, StoreUnavailable):
                if at == len(sources) - 1:
                    raise
        raise AssertionError  # pragma: no cover

    async def kinds(
        self, caller: Caller, wish: Wish, order: Order, *, limit: int, queue: str | None = None
    ) -> Ranking:
        """Kinds in numbers, those first that are worth a look.

        Raises:
            NotThere: There is no such queue, or it must not be seen.
            NotSetUp: It would take a PostgreSQL.
        """
        ranking = await self._ranking(caller, "kind", wish, queue)
        worst = sorted(ranking.items, key=lambda one: (-_WEIGHT[order](one.tally), one.name))
        return replace(ranking, items=worst[:limit])

    async def queues(self, caller: Caller, wish: Wish, *, limit: int = 200) -> Ranking:
        """Queues in numbers, by name.

        Raises:
            NotSetUp: It would take a PostgreSQL.
        """
        ranking = await self._ranking(caller, "queue", wish, None)
        items = [replace(one, objective=self._objective(one.name)) for one in ranking.items[:limit]]
        return replace(ranking, items=items)

    async def sparklines(self, caller: Caller) -> Mapping[str, Sequence[float | None]]:
        """Jobs that ended per minute in the last hour, in steps of two minutes, of each queue."""
        scope = await self._guard.scope(caller, Permission.METRICS_READ)
        lines = await self._samples.lines(datetime.now(UTC))
        return {name: line for name, line in lines.items() if scope.covers(Resource(queue=name))}

    # --- where it comes from

    def _sources(
        self, scope: Scope, metric: Metric, wish: Wish, queue: str | None, kind: str | None
    ) -> list[Source]:
        """Which to ask, the better one first."""
        fits = metric in _SAMPLED and kind is None and wish.window(_now(), MINUTE).since >= _oldest_sample()
        if metric is Metric.OLDEST_AGE:
            if not fits:
                raise InvalidRequest({"metric": "oldest_age is known of whole queues, for the last 24 hours"})
            return [Source.SAMPLES]
        if self._history is None:
            if not fits:
                raise NotSetUp(_DATABASE)
            return [Source.SAMPLES]
        if not fits or not _sees_whole_queues(scope, queue):
            return [Source.HISTORY]
        is_fine = wish.window(_now(), MINUTE).step < FIVE_MINUTES
        return [Source.SAMPLES, Source.HISTORY] if is_fine else [Source.HISTORY, Source.SAMPLES]

    async def _from_samples(self, scope: Scope, metric: Metric, wish: Wish, queue: str | None) -> Series:
        window = wish.window(_now(), MINUTE)
        if queue is not None and not scope.covers(Resource(queue=queue)):
            raise NotThere("queue")
        names = [queue] if queue is not None else await self._samples.queues()
        seen = [name for name in names if scope.covers(Resource(queue=name))]
        found = await self._samples.of(seen, window)
        if metric is Metric.OLDEST_AGE:
            values: dict[str, list[float | None]] = {"oldest": found.oldest}
        else:
            values = values_of(metric, window, found.tallies)
        return Series(
            metric=metric,
            window=window,
            source=Source.SAMPLES,
            values=values,
            known_until=found.known_until,
            is_stale=found.is_stale,
        )

    async def _from_history(
        self, scope: Scope, metric: Metric, wish: Wish, queue: str | None, kind: str | None
    ) -> Series:
        history = self._the_history()
        window = history.window(wish, _now())
        among = await self._among(scope, window, queue, kind)
        found, known_until = await asyncio.gather(
            history.by_time(window, queue, kind, among), history.known_until()
        )
        tallies = Tallies(found.value, known_parts(window, known_until))
        return Series(
            metric=metric,
            window=window,
            source=Source.HISTORY,
            values=values_of(metric, window, tallies),
            known_until=known_until,
            is_stale=found.is_stale,
        )

    async def _ranking(self, caller: Caller, by: str, wish: Wish, queue: str | None) -> Ranking:
        scope = await self._guard.scope(caller, Permission.METRICS_READ)
        history = self._the_history()
        window = history.window(wish, _now())
        among = await self._among(scope, window, queue, None)
        found, known_until = await asyncio.gather(
            history.by_name(by, window, queue, among), history.known_until()
        )
        items = [NamedTally(name, tally) for name, tally in found.value.items()]
        return Ranking(items, window, known_until, found.is_stale)

    def _the_history(self) -> History:
        if self._history is None:
            raise NotSetUp(_DATABASE)
        return self._history

    async def _among(
        self, scope: Scope, window: Window, queue: str | None, kind: str | None
    ) -> tuple[tuple[str, str], ...] | None:
        """The queues and kinds that may be counted, pair by pair; None: all that are asked for."""
        if scope.covers(Resource(queue=queue, kind=kind)):
            return None
        seen = tuple(
            pair
            for pair in await self._the_history().pairs(window)
            if queue in (None, pair[0])
            and kind in (None, pair[1])
            and scope.covers(Resource(queue=pair[0], kind=pair[1]))
        )
        if not seen and (queue, kind) != (None, None):
            raise NotThere("queue" if kind is None else "kind")
        return seen


def _now() -> datetime:
    return datetime.now(UTC)


def _oldest_sample() -> datetime:
    # as wide as the window of a day that begins with a whole step
    return _now() - Range.DAY.span - timedelta(hours=1)


def _sees_whole_queues(scope: Scope, queue: str | None) -> bool:
    """Whether samples hide nothing from this caller that the history would show."""
    return scope.covers(Resource(queue=queue)) if queue else not any(area.kinds for area in scope.areas)


_WEIGHT: Mapping[Order, Callable[[Tally], float]] = {
    Order.SLOWEST: lambda tally: quantile(tally.run_counts, 0.95) or 0.0,
    Order.FLAKIEST: lambda tally: surely(tally.recovered, tally.succeeded),
    Order.FAILING: lambda tally: surely(tally.dead, tally.judged),
    Order.BUSIEST: lambda tally: tally.ended,
}
