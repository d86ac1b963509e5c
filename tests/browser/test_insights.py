"""Charts are drawn from the tables beside them, which say all of it without a script, too."""

import asyncio
from datetime import timedelta

import pytest
import redis
from playwright.sync_api import Page, expect

from monarq.jobs.settings import Settings
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.rolling import Roller

from .conftest import OpenPage
from .stack import Stack, apart

#: A month, in which mail fails now and then, and reports are slow.
_MONTH = """
INSERT INTO monarq.jobs (job_id, ended_at, state, queue, kind, priority, attempts, starts, run_ms, wait_ms)
SELECT
    queue || kind || at, at, CASE WHEN random() < fails THEN 'dead' ELSE 'succeeded' END, queue, kind,
    'normal',
    CASE WHEN random() < fails * 2 THEN 2 ELSE 1 END, 1, (typical * exp(2 * random() - 1))::bigint,
    (30 * exp(4 * random() - 1))::bigint
FROM
    (VALUES
        ('mail', 'mail.welcome', 60, 0.05, '7 minutes'), ('reports', 'report.render', 9000, 0.001, '1 hour')
    ) AS made (queue, kind, typical, fails, every),
    LATERAL generate_series(
        date_trunc('hour', now()) - interval '29 days', now() - interval '1 minute', every::interval
    ) AS at
"""


def make_month(stack: Stack) -> None:
    """A month of history, rolled up, and an hour of samples."""
    stack.sql("SELECT monarq.make_history_days(current_date - 30, 32)")
    stack.sql(_MONTH)
    apart(asyncio.run, _roll_up(stack))
    keys = queue_keys("mail")
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.sadd("monarq:queues", "mail", "reports")
        now_ms = client.time()[0] // 60 * 60_000
        for minute in range(61):
            told = {"succeeded": minute * 12, "dead": minute // 9, "oldest_ms": minute * 900}
            client.xadd(keys.series, told, id=f"{now_ms - (60 - minute) * 60_000}-0")


async def _roll_up(stack: Stack) -> None:
    database = open_database(Settings(database_url=stack.database_url))
    roller = Roller(database, keep=timedelta(0))
    while (turn := await roller.step()) is None or not turn.is_done:
        pass
    await database.close()


@pytest.fixture(scope="module", autouse=True)
def _past(stack: Stack) -> None:
    make_month(stack)


def drawn(page: Page, chart: str) -> dict[str, object]:
    """What a chart shows, as its drawing knows it."""
    page.wait_for_function(f"() => document.querySelector('#chart-{chart} monarq-chart')?.plot")
    told: dict[str, object] = page.evaluate(
        f"""() => {{
            const chart = document.querySelector('#chart-{chart} monarq-chart');
            return {{
                points: chart.plot.data[0].length,
                lines: chart.lines.map((line) => line.label),
                dashed: chart.plot.data[2].filter((value) => value !== null).length,
                painted: chart.shadowRoot.querySelector('canvas').width,
            }};
        }}"""
    )
    return told


@pytest.mark.parametrize("range_", ["1h", "24h", "7d", "30d"])
def test_every_range_is_drawn_as_its_table_says(page: Page, range_: str) -> None:
    page.goto(f"/insights?range={range_}")
    for chart in ("throughput", "run", "wait"):
        rows = page.locator(f"#chart-{chart} tbody tr").count()
        told = drawn(page, chart)
        assert told["points"] == rows > 5
        assert told["painted"]


def test_the_step_that_is_not_over_is_dashed_and_said_to_be_so(page: Page) -> None:
    page.goto("/insights?range=24h")
    rows = page.locator("#chart-throughput tbody tr")
    # none, if one has just begun: of that nothing is told yet
    partial = page.locator("#chart-throughput tr[data-partial]").count()
    assert drawn(page, "throughput")["dashed"] == 1 + partial
    page.locator("#chart-throughput summary").click()
    assert [("(so far)" in text) for text in rows.all_inner_texts()].count(True) == partial <= 1
    expect(rows.nth(1)).not_to_contain_text("(so far)")


def test_a_chart_says_the_numbers_under_the_cursor(page: Page, stack: Stack) -> None:
    page.goto("/insights?range=7d")
    legend = page.locator("#chart-run .legend")
    expect(legend).to_contain_text("p95")
    drawn(page, "run")

    def is_told() -> bool:
        for x in (110, 120):  # a chart that was drawn anew meanwhile waits for the next move
            page.locator("#chart-run .u-over").hover(position={"x": x, "y": 60})
        return "UTC" in legend.inner_text()

    stack.wait(is_told)


def test_without_a_script_the_tables_say_it_all(open_page: OpenPage) -> None:
    page = open_page(javascript=False)
    page.goto("/insights?range=7d")
    table = page.locator("#chart-throughput table")
    expect(table).to_be_hidden()
    page.locator("#chart-throughput summary").click()
    expect(table).to_be_visible()
    expect(page.locator("#chart-throughput monarq-chart")).to_be_hidden()


def test_the_range_is_a_link(page: Page) -> None:
    page.goto("/insights")
    page.get_by_role("link", name="30d").click()
    page.wait_for_url("**/insights?range=30d")
    expect(page.get_by_role("link", name="30d")).to_have_attribute("aria-current", "true")


def test_kinds_worth_a_look_come_first_and_lead_to_their_pages(page: Page) -> None:
    page.goto("/insights?range=30d")
    slowest = page.get_by_role("region", name="Slowest kinds").locator("tbody th").first
    expect(slowest).to_have_text("report.render")
    failing = page.get_by_role("region", name="Kinds that fail").locator("tbody th").first
    expect(failing).to_have_text("mail.welcome")
    assert "/kinds/mail.welcome" in (failing.locator("a").get_attribute("href") or "")
    expect(page.get_by_role("region", name="Wait against objective").locator("tbody tr")).to_have_count(2)


def test_who_may_see_one_queue_sees_its_numbers_only(open_page: OpenPage) -> None:
    page = open_page(None, {"role": "viewer", "queues": ["reports"]})
    page.goto("/insights?range=30d")
    expect(page.get_by_role("region", name="Slowest kinds").locator("tbody tr")).to_have_count(1)
    expect(page.locator("main")).not_to_contain_text("mail.welcome")


def test_a_change_of_the_table_is_drawn_in_the_same_chart(page: Page) -> None:
    """As when the region is fetched anew: the drawing stays, and shows the new numbers."""
    page.goto("/insights?range=7d")
    before = drawn(page, "throughput")["points"]
    page.evaluate("document.querySelector('#chart-throughput tbody tr').remove()")
    page.wait_for_function(
        f"() => document.querySelector('#chart-throughput monarq-chart').plot.data[0].length < {before}"
    )


def test_a_region_that_is_fetched_anew_keeps_its_charts(page: Page, stack: Stack) -> None:
    page.goto("/insights?range=7d")
    drawn(page, "run")
    page.evaluate("document.querySelector('#chart-run monarq-chart').mark = 1")
    page.evaluate("document.querySelector('#chart-run figcaption strong').textContent = 'old'")
    page.evaluate("document.getElementById('insights').dispatchEvent(new Event('refresh'))")
    expect(page.locator("#chart-run figcaption strong")).not_to_have_text("old")
    assert page.evaluate("document.querySelector('#chart-run monarq-chart').mark") == 1
    assert drawn(page, "run")["painted"]
