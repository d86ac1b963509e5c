"""`/v1/stats/series` and `/v1/stats/kinds`: numbers over time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from monarq.jobs.store.tally import Times

from ..access.permissions import Permission
from ..services.insights import NamedTally, Order, Ranking
from ..services.series import Metric, Series, Source
from ..services.windows import Range, Wish
from .guarded import Guarded, TheCaller, TheServices, needs

router = APIRouter(route_class=Guarded, tags=["stats"])

QueueFilter = Annotated[str | None, Query(max_length=128, description="Only this queue.")]
KindFilter = Annotated[str | None, Query(max_length=128, description="Only this kind.")]
Rate = Annotated[float | None, Field(ge=0, le=1)]


def _in_words(value: object) -> object:
    """A number alone would be taken for seconds since 1970."""
    if isinstance(value, str) and not value[4:].count("-"):
        raise ValueError("write it as 2026-03-31T18:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_in_words)]


class SeriesDocument(BaseModel):
    """One metric over time.  In `values`, null: nobody knows, or there was nothing to measure."""

    metric: Metric
    unit: str
    queue: str | None
    kind: str | None
    since: datetime
    until: datetime
    step: int = Field(description="seconds")
    source: Source = Field(description="`history`: PostgreSQL; `samples`: Redis, one a minute")
    known_until: datetime | None = Field(description="what ended later may not be in it yet")
    is_stale: bool = Field(description="the store does not answer: this is what it said before")
    at: list[datetime] = Field(description="when each step begins")
    values: dict[str, list[float | None]] = Field(description="by name, step by step")


class TimesDocument(BaseModel):
    """How long something took, in seconds, interpolated from counts: null if there was none."""

    p50: float | None
    p95: float | None
    p99: float | None


class KindInNumbers(BaseModel):
    """A kind in numbers."""

    kind: str
    ended: int
    succeeded: int
    dead: int
    cancelled: int
    expired: int
    failure_rate: Rate = Field(description="of those that succeeded or died, the share that died")
    recovery_rate: Rate = Field(
        description="of those that succeeded, the share that took more than one attempt"
    )
    attempts: int = Field(description="spent, by all of them")
    run: TimesDocument = Field(description="of the last attempts")
    wait: TimesDocument = Field(description="before the last attempts, since they were due")


class KindRanking(BaseModel):
    """Kinds in numbers, those first that are worth a look."""

    items: list[KindInNumbers]
    since: datetime
    until: datetime
    known_until: datetime | None = Field(description="what ended later may not be in it yet")
    is_stale: bool = Field(description="the store does not answer: this is what it said before")


async def _wish(
    range: Annotated[Range | None, Query(description="Until now; else `from` and `to`.")] = None,
    from_: Annotated[
        AwareDatetime | None, Query(alias="from", description="By default a day before.")
    ] = None,
    to: Annotated[Moment | None, Query(description="By default now.")] = None,
    step: Annotated[int | None, Query(ge=60, le=86_400, description="Seconds; by default as fits.")] = None,
) -> Wish:
    return Wish(range=range, since=from_, until=to, step=None if step is None else timedelta(seconds=step))


TheWish = Annotated[Wish, Depends(_wish)]


@router.get("/v1/stats/series", openapi_extra=needs(Permission.METRICS_READ))
async def get_series(
    caller: TheCaller,
    services: TheServices,
    metric: Annotated[Metric, Query()],
    wish: TheWish,
    queue: QueueFilter = None,
    kind: KindFilter = None,
) -> SeriesDocument:
    """One metric over time.  Without `range`, `from` and `to` it is that of the last day."""
    found = await services.insights.series(caller, metric, wish, queue=queue, kind=kind)
    return _series(found, queue, kind)


@router.get("/v1/stats/kinds", openapi_extra=needs(Permission.METRICS_READ))
async def list_kinds_in_numbers(
    caller: TheCaller,
    services: TheServices,
    wish: TheWish,
    sort: Annotated[Order, Query(description="Which come first.")] = Order.BUSIEST,
    queue: QueueFilter = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many, at most.")] = 50,
) -> KindRanking:
    """Kinds in numbers: the slowest, the flakiest, those that fail most, or the busiest."""
    found = await services.insights.kinds(caller, wish, sort, limit=limit, queue=queue)
    return _ranking(found)


def _series(found: Series, queue: str | None, kind: str | None) -> SeriesDocument:
    window = found.window
    return SeriesDocument(
        metric=found.metric,
        unit=found.metric.unit,
        queue=queue,
        kind=kind,
        since=window.since,
        until=window.until,
        step=round(window.step.total_seconds()),
        source=found.source,
        known_until=found.known_until,
        is_stale=found.is_stale,
        at=list(window.starts),
        values={name: list(values) for name, values in found.values.items()},
    )


def _ranking(found: Ranking) -> KindRanking:
    return KindRanking(
        items=[_kind(one) for one in found.items],
        since=found.window.since,
        until=found.window.until,
        known_until=found.known_until,
        is_stale=found.is_stale,
    )


def _kind(one: NamedTally) -> KindInNumbers:
    tally = one.tally
    return KindInNumbers(
        kind=one.name,
        ended=tally.ended,
        succeeded=tally.succeeded,
        dead=tally.dead,
        cancelled=tally.cancelled,
        expired=tally.expired,
        failure_rate=tally.failure_rate,
        recovery_rate=tally.recovery_rate,
        attempts=tally.attempts,
        run=_times(tally.run),
        wait=_times(tally.wait),
    )


def _times(found: Times) -> TimesDocument:
    return TimesDocument(p50=found.p50, p95=found.p95, p99=found.p99)
