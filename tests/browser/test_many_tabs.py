"""Many tabs, of one browser and of several: each loads, and the stores are asked as if there was one."""

import signal
import threading
import time
from contextlib import ExitStack

import httpx
import redis
from playwright.sync_api import Request

from monarq.jobs.store.fleet import FRESH

from .conftest import OpenPage
from .shop import welcome
from .stack import Stack, free_port

#: Over HTTP/1.1 a browser opens six connections to a site: with a stream each, the seventh tab would wait.
TABS = 8
#: How long the stores are watched, in seconds.
SPAN = 4.0
#: A rule about time holds if the quickest of so many trials keeps it: it judges no busy machine.
TRIALS = 3
#: What looks at queues, jobs and workers asks by these.  Who is asking, and whether too often, is looked up
#: for each request, by others: a login that was ended must end everywhere at once.
LOOKS = ("zcount", "zcard", "zrange", "zrangebyscore", "hgetall", "hmget", "smembers", "xrange", "info")
#: Tables that tell who is asking.
_OF_CALLERS = ("users", "tokens", "audit")


def test_eight_tabs_of_one_browser_load(open_page: OpenPage, stack: Stack) -> None:
    first = open_page("operator")
    streams: list[str] = []

    def note(request: Request) -> None:
        if request.resource_type == "eventsource" or "/events" in request.url:
            streams.append(request.url)

    first.context.on("request", note)
    tabs = [first, *(first.context.new_page() for _ in range(TABS - 1))]
    for tab in tabs:
        tab.goto("/queues")
    for tab in tabs:
        tab.goto("/queues")
        assert tab.locator("h1").inner_text() == "Queues"
    opened = set(streams)
    assert opened, "no tab listens at all"
    for tab in tabs[1:]:
        tab.close()
    assert tabs[0].locator("h1").inner_text() == "Queues"


def test_twenty_tabs_look_at_jobs_no_more_often_than_one(open_page: OpenPage, stack: Stack) -> None:
    page = open_page("operator")
    page.goto("/queues")
    with _churn(stack):
        one = _asked_for(stack)
        others = [page.context.new_page() for _ in range(19)]
        for other in others:
            other.goto("/queues")
        twenty = _asked_for(stack)
    for asked in (one, twenty):
        assert asked["looks"] <= asked["seconds"] / FRESH + 2
    # two looks may be in part in the span; what each tab asked for by itself would be many times as much
    assert twenty["redis"] <= (twenty["looks"] + 2) * 3 * one["redis"] / one["looks"], (one, twenty)
    assert twenty["postgres"] <= one["postgres"] * 3 + 20, (one, twenty)


def test_sigterm_ends_the_dashboard_in_six_seconds_with_ten_streams_open(stack: Stack) -> None:
    took: list[float] = []
    while len(took) < TRIALS and (not took or min(took) > 6):
        took.append(seconds_to_end(stack))
    assert min(took) <= 6


def seconds_to_end(stack: Stack) -> float:
    """Of a dashboard to which ten streams are open."""
    url = f"http://127.0.0.1:{free_port()}"
    running = stack.start_dashboard(url)
    cookies = {"monarq_session": stack.login({"role": "operator"})}
    with ExitStack() as opened:
        for _ in range(10):
            client = opened.enter_context(httpx.Client(base_url=url, cookies=cookies, timeout=30))
            stream = opened.enter_context(client.stream("GET", "/events", params={"topic": "queues"}))
            assert stream.status_code == 200
        began = time.monotonic()
        running.send(signal.SIGTERM)
        assert running.ends() == 0
        return time.monotonic() - began


def _asked_for(stack: Stack) -> dict[str, float]:
    """How often the stores are asked for queues, jobs and workers in some seconds, and by how many looks."""
    began, before = time.monotonic(), _asked_so_far(stack)
    time.sleep(SPAN)  # it is a rate that is measured
    after = _asked_so_far(stack)
    asked = {what: after[what] - before[what] for what in after}
    asked["looks"] -= 1  # our own INFO
    assert asked["looks"] > 0, "nothing is looked at, though something happens"
    return {**asked, "seconds": time.monotonic() - began}


def _asked_so_far(stack: Stack) -> dict[str, int]:
    with redis.Redis.from_url(stack.valkey.url) as client:
        told = client.info("commandstats")
    stack.sql("SELECT pg_stat_force_next_flush()")
    [(scans,)] = stack.sql(
        "SELECT coalesce(sum(seq_scan + coalesce(idx_scan, 0)), 0)::bigint FROM pg_stat_user_tables "
        "WHERE schemaname = 'monarq' AND NOT relname = ANY(%s)",
        list(_OF_CALLERS),
    )
    calls = {name: int(told.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in LOOKS}
    # each look at Redis asks once for its memory, by INFO
    return {"looks": calls["info"], "redis": sum(calls.values()), "postgres": scans}


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
