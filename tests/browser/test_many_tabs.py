"""Many tabs, of one browser and of several: each loads, and the stores are asked as if there was one."""

import signal
import threading
import time
from contextlib import ExitStack

import httpx
import pytest
import redis
from playwright.sync_api import Request

from .conftest import OpenPage
from .shop import welcome
from .stack import Stack, free_port

#: Over HTTP/1.1 a browser opens six connections to a site: with a stream each, the seventh tab would wait.
TABS = 8
#: How long the stores are watched, in seconds.
SPAN = 4.0
#: What each request asks for its login and its limit, and what streams ask to stay: no job is looked at.
_OF_REQUESTS = {
    "get",
    "set",
    "time",
    "ping",
    "publish",
    "subscribe",
    "pubsub",
    "hello",
    "client",
    "auth",
    "select",
}


def test_eight_tabs_of_one_browser_load_and_share_a_stream(open_page: OpenPage, stack: Stack) -> None:
    first = open_page("operator")
    streams: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type == "eventsource" or "/events" in request.url:
            streams.append(request.url)

    first.context.on("request", note)
    tabs = [first, *(first.context.new_page() for _ in range(TABS - 1))]
    for tab in tabs:
        tab.goto("/queues", timeout=10_000)
    for tab in tabs:
        tab.goto("/queues", timeout=10_000)
        assert tab.locator("h1").inner_text() == "Queues"
    opened = set(streams)
    assert opened, "no tab listens at all"
    for tab in tabs[1:]:
        tab.close()
    assert tabs[0].locator("h1").inner_text() == "Queues"


@pytest.mark.timeout(120)
def test_twenty_tabs_ask_the_stores_for_jobs_no_more_often_than_one(
    open_page: OpenPage, stack: Stack
) -> None:
    page = open_page("operator")
    page.goto("/queues")
    with _churn(stack):
        one = _asked(stack)
        others = [page.context.new_page() for _ in range(19)]
        for other in others:
            other.goto("/queues")
        _asked(stack)  # what they asked to load is told with a delay
        twenty = _asked(stack)
    assert twenty["postgres"] <= one["postgres"] * 3 + 40, (one, twenty)
    # each request of a tab still asks for its login and counts for its limit; jobs are looked at once for all
    assert twenty["redis"] <= one["redis"] * 3, (one, twenty)


def test_sigterm_ends_the_dashboard_in_six_seconds_with_ten_streams_open(stack: Stack) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    running = stack.start_dashboard(url)
    cookies = {"monarq_session": stack.login({"role": "operator"})}
    with ExitStack() as opened:
        for _ in range(10):
            client = opened.enter_context(httpx.Client(base_url=url, cookies=cookies, timeout=10))
            stream = opened.enter_context(client.stream("GET", "/events", params={"topic": "queues"}))
            assert stream.status_code == 200
        began = time.monotonic()
        running.send(signal.SIGTERM)
        assert running.ends(within=6) == 0
        assert time.monotonic() - began < 6


def _asked(stack: Stack) -> dict[str, float]:
    """How much was asked of the stores in some seconds."""

    def seen(client: "redis.Redis[bytes]") -> tuple[int, int]:
        calls = {
            name.removeprefix("cmdstat_"): told["calls"] for name, told in client.info("commandstats").items()
        }
        stack.sql("SELECT pg_stat_force_next_flush()")
        [(commits,)] = stack.sql(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        )
        return sum(count for name, count in calls.items() if name not in _OF_REQUESTS), commits

    with redis.Redis.from_url(stack.valkey.url) as client:
        before = seen(client)
        time.sleep(SPAN)  # it is a rate that is measured
        after = seen(client)
    return {"redis": after[0] - before[0], "postgres": after[1] - before[1]}


class _churn:
    """Jobs come all the time, so that there is something to tell."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            self._stack.producer.enqueue(welcome.of("ann"), delay=3600)
