"""`/insights` while something is missing: what can be known is drawn, and of the rest it is said why not."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from monarq.dashboard.pages.charts import charts_of
from monarq.dashboard.services import numbers
from monarq.dashboard.services.series import Metric
from monarq.dashboard.services.windows import Range
from tests.postgres import PostgresServer
from tests.servers import ValkeyServer

from .house import House
from .test_insights import VIEWER, _caller, ended, now, sampled, tell, with_settings_token

HOUR = timedelta(hours=1)


async def shown(client: httpx.AsyncClient, range_: str = "1h") -> str:
    answer = await client.get("/insights", params={"range": range_})
    assert answer.status_code == 200, answer.text
    return answer.text


def figure(html: str, chart: str) -> str:
    return html.partition(f'id="chart-{chart}"')[2].partition("</figure>")[0]


async def test_without_postgresql_samples_are_drawn_and_the_rest_says_what_it_takes(
    open_house: Callable[..., Any],
) -> None:
    house, secret = await with_settings_token(open_house)
    await sampled(house, succeeded=[0, 3, 8, 8], oldest_ms=[0, 4_000, 9_000, 0])
    html = await shown(house.client(authorization=f"Bearer {secret}"))
    assert "<td>5<" in figure(html, "throughput")
    assert "MONARQ_DATABASE_URL" in figure(html, "run")
    assert "oldest ready" in figure(html, "wait")
    assert "Slowest kinds" not in html


async def test_before_any_job_has_ended_it_is_said_so(house: House) -> None:
    html = await shown(await house.browser(VIEWER), "7d")
    assert "Nothing is known of this time yet" in figure(html, "throughput")
    assert "No job has ended in this time" in html


async def test_while_postgresql_is_away_samples_are_drawn_and_what_it_said_last(
    stage: tuple[House, ValkeyServer, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _, postgres = stage
    await tell(house, ended(now() - HOUR / 2, 1))
    await sampled(house, succeeded=[0, 3, 8, 8])
    browser = await house.browser(VIEWER)
    assert "mail.send" in await shown(browser, "24h")
    postgres.kill()
    html = await shown(browser)
    assert "<td>5<" in figure(html, "throughput")
    assert "The numbers cannot be had right now" in figure(html, "run")
    for cache in vars(house.services.insights._history).values():
        if hasattr(cache, "_ttl"):
            cache.drop_matching("*")
    stale = await shown(browser, "24h")
    assert "PostgreSQL does not answer: these are the last numbers that it told" in stale


async def test_while_redis_is_away_the_history_is_drawn(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, valkey, _ = stage
    await tell(house, *(ended(now() - timedelta(minutes=10 + n), n) for n in range(20)))
    caller = _caller(await house.user(VIEWER))
    valkey.kill()
    charts = {one.id: one for one in await charts_of(house.services, caller, Range.HOUR)}
    assert charts["throughput"].rows
    assert [line.label for line in charts["wait"].lines] == ["p50", "p95", "p99"]


async def test_the_objective_of_a_queue_is_drawn_across_its_waits(house: House) -> None:
    await tell(house, ended(now() - HOUR / 2, 1))
    caller = _caller(await house.user(VIEWER))
    objective = timedelta(seconds=30)
    [waits] = await charts_of(
        house.services, caller, Range.DAY, metrics=[Metric.WAIT], queue="mail", objective=objective
    )
    assert (waits.limit, waits.limit_label) == (30.0, "objective")


async def test_who_may_see_no_numbers_sees_no_charts(house: House) -> None:
    caller = _caller(await house.user({"permissions": ["queues:read"]}))
    assert await charts_of(house.services, caller, Range.DAY, queue="mail") == []


async def test_a_postgresql_that_does_not_answer_holds_a_page_up_once_and_not_for_long(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numbers, "_PATIENCE", 0.05)
    monkeypatch.setattr(numbers, "_REST", 60.0)
    history = house.services.insights._history
    assert history is not None
    asked: list[int] = []

    async def silent(*_: Any) -> Any:
        asked.append(1)
        await asyncio.Event().wait()

    for name in ("by_time", "looked_at"):
        monkeypatch.setattr(history._reader, name, silent)
    caller = _caller(await house.user(VIEWER))
    for _ in range(3):
        [chart] = await charts_of(house.services, caller, Range.WEEK, metrics=[Metric.RUN])
        assert "cannot be had right now" in chart.missing
    assert len(asked) == 2
