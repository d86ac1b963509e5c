"""Charts: lines over time, each drawn from the table beside it, so that both say the same.

For any page that shows some:

    charts = await charts_of(services, caller, Range.DAY, queue="mail", objective=timedelta(seconds=30))
    return await page(request, …, charts=charts, range=Range.DAY)

    {% block scripts %}{{ ui.chart_scripts() }}{% endblock %}
    {{ ui.chart_section(charts, range) }}

The section stands outside of regions that are live: it fetches itself anew each minute.
A chart whose numbers cannot be had says why in its place; the page shows the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import Query
from markupsafe import Markup

from monarq.jobs.errors import MonarqError, StoreError

from ..access.caller import Caller
from ..errors import InvalidRequest, NotPermitted, NotSetUp, NotThere
from ..services.series import Metric, Series
from ..services.services import Services
from ..services.windows import Range, Window, Wish

_MISSING = "\N{EN DASH}"
#: The parameter of a page with charts.
TheRange = Annotated[Range, Query(alias="range", description="How far back.")]


class Unit(StrEnum):
    """What a chart's numbers are: how its axis and its cells are written."""

    PER_MINUTE = "per minute"
    PER_CENT = "%"
    SECONDS = "s"

    def write(self, value: float | None) -> str:
        """A number as its cell has it: three digits are as good as any chart."""
        if value is None:
            return _MISSING
        shown = round(value * 100 if self is Unit.PER_CENT else value, 4)
        return f"{shown:.3g}" if abs(shown) < 1_000 else f"{shown:.0f}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart, and the column of its table."""

    label: str
    tone: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One step of a chart."""

    #: Which one of the window, from 0.
    number: int
    start: datetime
    is_whole: bool
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Some lines of one unit over one window."""

    id: str
    title: str
    about: str
    unit: Unit
    window: Window | None = None
    lines: Sequence[Line] = ()
    known_until: datetime | None = None
    is_stale: bool = False
    #: A level that is drawn across, and what it is.
    limit: float | None = None
    limit_label: str = ""
    #: Why there is nothing to draw.
    missing: str = ""

    @property
    def has_log_axis(self) -> bool:
        """Times differ by magnitudes: the slow ones must not flatten the others."""
        return self.unit is Unit.SECONDS

    @property
    def rows(self) -> Sequence[Row]:
        """Step by step, the newest first; those of which nothing is known are left out."""
        if self.window is None:
            return []
        whole_until = None if self.known_until is None else self.known_until - self.window.step
        rows = [
            Row(
                number=at,
                start=start,
                is_whole=whole_until is not None and start <= whole_until,
                values=[line.values[at] for line in self.lines],
            )
            for at, start in enumerate(self.window.starts)
        ]
        return [row for row in rows[::-1] if any(value is not None for value in row.values)]

    @property
    def body(self) -> Markup:
        """The rows as HTML: many, so that it is short, and not made by a template."""
        return Markup("\n".join(self._write(row) for row in self.rows))

    def _write(self, row: Row) -> str:
        cells = "".join(f"<td>{self.unit.write(value)}" for value in row.values)
        mark, so_far = ("", "") if row.is_whole else (" data-partial", " (so far)")
        return f"<tr data-n={row.number}{mark}><th scope=row>{row.start:%m-%d %H:%M}{so_far}{cells}"


_TONES = {
    "succeeded": "green",
    "dead": "red",
    "cancelled": "grey",
    "expired": "amber",
    "failure_rate": "red",
    "p50": "blue",
    "p95": "purple",
    "p99": "red",
    "oldest": "amber",
}
_LABELS = {"failure_rate": "failed", "oldest": "oldest ready"}
_BLANK = {
    Metric.THROUGHPUT: Chart(
        id="throughput", title="Throughput", about="jobs that ended, per minute", unit=Unit.PER_MINUTE
    ),
    Metric.FAILURE_RATE: Chart(
        id="failure-rate", title="Failures", about="of jobs that succeeded or died", unit=Unit.PER_CENT
    ),
    Metric.RUN: Chart(id="run", title="Run time", about="of the last attempt of each job", unit=Unit.SECONDS),
    Metric.WAIT: Chart(
        id="wait", title="Wait", about="from when it was due to its last start", unit=Unit.SECONDS
    ),
}
ALL = (Metric.THROUGHPUT, Metric.FAILURE_RATE, Metric.RUN, Metric.WAIT)


async def charts_of(
    services: Services,
    caller: Caller,
    range_: Range,
    *,
    metrics: Sequence[Metric] = ALL,
    queue: str | None = None,
    kind: str | None = None,
    objective: timedelta | None = None,
) -> Sequence[Chart]:
    """Charts of all queues or one, of all kinds or one; none if there are no numbers that the caller may see.

    Whether there is such a queue or kind is for the page to say: it may be there, and have done nothing yet.

    Args:
        objective: How long jobs may wait; it is drawn across the chart of waits.
    """
    one = _OneChart(services, caller, range_, queue, kind, objective)
    try:
        return await asyncio.gather(*map(one.make, metrics))
    except (NotPermitted, NotThere):
        return []


@dataclass(frozen=True, slots=True)
class _OneChart:
    services: Services
    caller: Caller
    range_: Range
    queue: str | None
    kind: str | None
    objective: timedelta | None

    async def make(self, metric: Metric) -> Chart:
        blank = _BLANK[metric]
        if metric is Metric.WAIT:
            return await self._waits(blank)
        try:
            return _drawn(blank, await self._series(metric))
        except (NotSetUp, StoreError) as error:
            return replace(blank, missing=_why(error))

    async def _waits(self, blank: Chart) -> Chart:
        """Waits, and over them for how long the oldest ready job had been due.

        A wait is known when it is over; the oldest age speaks while nothing starts.
        """
        waits, oldest = await asyncio.gather(
            self._series(Metric.WAIT), self._oldest(), return_exceptions=True
        )
        found = [one for one in (waits, oldest) if isinstance(one, Series)]
        for error in (waits, oldest):
            if isinstance(error, BaseException) and not isinstance(
                error, NotSetUp | StoreError | InvalidRequest
            ):
                raise error
        if not found:
            assert isinstance(waits, MonarqError)
            return replace(blank, missing=_why(waits))
        chart = _drawn(blank, *found)
        if self.objective is None:
            return chart
        return replace(chart, limit=self.objective.total_seconds(), limit_label="objective")

    async def _series(self, metric: Metric, step: timedelta | None = None) -> Series:
        wish = Wish(range=self.range_, step=step)
        return await self.services.insights.series(
            self.caller, metric, wish, queue=self.queue, kind=self.kind
        )

    async def _oldest(self) -> Series:
        step = timedelta(minutes=5) if self.range_ is Range.HOUR else None  # as that of the waits
        try:
            return await self._series(Metric.OLDEST_AGE, step)
        except NotThere as error:  # it is of whole queues; of some kinds in one there are waits all the same
            raise InvalidRequest({"metric": str(error)}) from error


def _drawn(blank: Chart, *found: Series) -> Chart:
    first, *_ = found
    lines = [
        Line(_LABELS.get(name, name), _TONES[name], values)
        for series in found
        if series.window == first.window
        for name, values in series.values.items()
    ]
    known = [series.known_until for series in found if series.known_until is not None]
    return replace(
        blank,
        window=first.window,
        lines=lines,
        known_until=min(known, default=None),
        is_stale=any(series.is_stale for series in found),
    )


def _why(error: MonarqError) -> str:
    if isinstance(error, NotSetUp):
        return "This takes the history in PostgreSQL: set MONARQ_DATABASE_URL, and run monarq migrate."
    return f"The numbers cannot be had right now: {error.code.replace('_', ' ')}."
