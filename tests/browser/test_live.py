"""Pages that stay as the server has things: at once, quietly, and without moving what somebody reads."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from .conftest import OpenPage, until
from .shop import welcome
from .stack import Stack
from .watch import Watch

Act = Callable[[str], None]


@pytest.fixture
def act(stack: Stack) -> Iterator[Act]:
    """Somebody else changes something: it stands in the audit with this reason."""
    with stack.api() as api:

        def pause(why: str) -> None:
            answer = api.post("/v1/queues/default/pause", json={"why": why})
            assert answer.status_code == 200, answer.text

        pause("it began")
        yield pause


def rows_move_by_themselves(page: Page) -> None:
    """The audit as a list whose rows come by themselves, in this page."""
    page.add_init_script(
        """new MutationObserver(() => {
            for (const it of document.querySelectorAll("[data-live-pill]")) {
                it.removeAttribute("data-live-pill");
            }
        }).observe(document, { childList: true, subtree: true, attributes: true })"""
    )


def let_it_be_seen(onlooker: Page, act: Act, why: str) -> None:
    """Change something, and let this page, which is live, show it: any other one could have shown it, too."""
    show(onlooker)
    for what in (why, f"after {why}"):
        act(what)
        expect(onlooker.locator("#acts tbody tr").first).to_contain_text(what)


def show(page: Page) -> Page:
    """The audit, once it is live."""
    page.goto("/audit")
    expect(page.locator("[data-live-toggle]")).to_have_text("Live")
    return page


def test_a_change_shows_by_itself(open_page: OpenPage, act: Act) -> None:
    page = open_page()
    rows_move_by_themselves(page)
    show(page)
    before = page.locator("#acts tbody tr").count()
    act("the server moves")
    expect(page.locator("#acts tbody tr")).to_have_count(before + 1)
    expect(page.locator("#acts tbody tr").first).to_contain_text("the server moves")


def test_in_a_growing_list_a_button_says_what_has_come(page: Page, act: Act) -> None:
    show(page)
    before = page.locator("#acts tbody tr").count()
    act("one")
    act("two")
    expect(page.locator(".pill")).to_have_text("2 new")
    expect(page.locator("#acts tbody tr")).to_have_count(before)
    page.locator(".pill").click()
    expect(page.locator("#acts tbody tr")).to_have_count(before + 2)
    expect(page.locator(".pill")).to_have_count(0)


def test_the_key_p_pauses_and_goes_on(open_page: OpenPage, act: Act) -> None:
    page, onlooker = open_page(), open_page()
    for one in (page, onlooker):
        rows_move_by_themselves(one)
    show(page)
    before = page.locator("#acts tbody tr").count()
    page.keyboard.press("p")
    expect(page.locator("[data-live-toggle]")).to_have_text("Paused")
    expect(page.locator("[data-live-toggle]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#live")).to_have_text("Live updates are paused")
    let_it_be_seen(onlooker, act, "while it rests")
    expect(page.locator("#acts tbody tr")).to_have_count(before)
    page.reload()
    expect(page.locator("[data-live-toggle]")).to_have_text("Paused")
    act("while it rests still")
    page.locator("[data-live-toggle]").click()
    expect(page.locator("#acts tbody tr").first).to_contain_text("while it rests still")


def test_a_row_with_the_focus_does_not_move_until_it_is_left(open_page: OpenPage, act: Act) -> None:
    page = open_page()
    rows_move_by_themselves(page)
    show(page)
    page.keyboard.press("j")
    first = page.evaluate("document.activeElement.id")
    assert first.startswith("act-")
    act("behind your back")
    expect(page.locator(".pill")).to_have_text("1 new")
    assert page.evaluate("document.activeElement.id") == first
    assert page.locator("#acts tbody tr").first.get_attribute("id") == first
    page.evaluate("document.activeElement.blur()")
    expect(page.locator("#acts tbody tr").first).to_contain_text("behind your back")
    expect(page.locator(".pill")).to_have_count(0)


@pytest.mark.parametrize(
    "begin",
    [
        "() => { const it = document.createElement('dialog'); document.body.append(it); it.showModal(); }",
        "() => getSelection().selectAllChildren(document.querySelector('#acts tbody td'))",
    ],
    ids=["an open dialog", "a selection"],
)
def test_nothing_changes_below_an_open_dialog_or_a_selection(
    open_page: OpenPage, act: Act, begin: str
) -> None:
    page = open_page()
    rows_move_by_themselves(page)
    show(page)
    before = page.locator("#acts tbody tr").count()
    page.evaluate(begin)
    act("not now")
    expect(page.locator(".pill")).to_have_text("1 new")
    expect(page.locator("#acts tbody tr")).to_have_count(before)


def test_what_is_open_stays_open(open_page: OpenPage, act: Act) -> None:
    page = open_page()
    rows_move_by_themselves(page)
    show(page)
    page.locator("#acts details summary").first.click()
    row = page.locator("#acts tbody tr").first.get_attribute("id")
    page.mouse.click(2, 2)  # the focus leaves the list
    act("another")
    expect(page.locator("#acts tbody tr").first).to_contain_text("another")
    assert page.locator(f"#{row} details").get_attribute("open") is not None


def test_eight_tabs_are_one_stream_and_another_takes_over(open_page: OpenPage, act: Act) -> None:
    first = open_page()
    context = first.context
    streams, _ = _watch_streams(context)
    rows_move_by_themselves(first)
    show(first)
    tabs = [context.new_page() for _ in range(7)]
    for tab in tabs:
        rows_move_by_themselves(tab)
        show(tab)
    act("to all")
    for tab in (first, *tabs):
        expect(tab.locator("#acts tbody tr").first).to_contain_text("to all")
    assert len(streams) == 1
    first.close()
    act("to those who are left")
    for tab in tabs:
        expect(tab.locator("#acts tbody tr").first).to_contain_text("to those who are left")
    assert len(streams) == 2


def test_a_tab_that_nobody_sees_asks_nothing_and_catches_up(open_page: OpenPage, act: Act) -> None:
    page, onlooker = open_page(), open_page()
    streams, ended = _watch_streams(page.context)
    for one in (page, onlooker):
        rows_move_by_themselves(one)
    show(page)
    _hide(page, True)
    until(page, lambda: len(ended) == len(streams) == 1)
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    let_it_be_seen(onlooker, act, "unseen")
    assert asked == []
    _hide(page, False)
    expect(page.locator("#acts tbody tr").first).to_contain_text("after unseen")


def test_where_the_stream_is_refused_it_looks_now_and_then(
    open_page: OpenPage, act: Act, watch: Watch
) -> None:
    watch.allow("events")
    page = open_page()
    page.route(re.compile(r"/events\?"), lambda route: route.fulfill(status=503, body=""))
    rows_move_by_themselves(page)
    page.goto("/audit")
    act("by and by")
    expect(page.locator("#acts tbody tr").first).to_contain_text("by and by")
    expect(page.locator("[data-live-toggle]")).to_have_text("Slow")


def test_an_idle_tab_asks_at_most_every_five_seconds(open_page: OpenPage, act: Act) -> None:
    page = open_page()
    page.clock.install()
    show(page)
    page.clock.fast_forward(11_000)  # from here on nobody is there
    asked: list[Request] = []
    page.on(
        "requestfinished", lambda request: asked.append(request) if request.url.endswith("/audit") else None
    )

    def has_asked_thrice() -> bool:
        act("again")
        page.wait_for_timeout(300)
        return len(asked) >= 3

    until(page, has_asked_thrice)
    # what it had begun to want while somebody was there may still come, at once
    first, second = (request.timing["startTime"] for request in asked[1:3])
    # a browser is punctual within some tenths of a second; for who is there it would have asked each second
    assert second - first > 4_000


def test_what_has_come_is_said_aloud_at_most_every_thirty_seconds_and_can_be_muted(
    open_page: OpenPage, act: Act
) -> None:
    page = open_page()
    page.clock.set_fixed_time(1_000_000)
    rows_move_by_themselves(page)
    show(page)
    act("one")
    expect(page.locator("#live")).to_have_text("Updated: 1 new")
    page.evaluate("document.getElementById('live').textContent = ''")
    act("two")
    expect(page.locator("#acts tbody tr").first).to_contain_text("two")
    expect(page.locator("#live")).to_have_text("")
    page.keyboard.press("?")
    page.get_by_label("Screen readers say what has come").uncheck()
    page.reload()
    act("three")
    expect(page.locator("#acts tbody tr").first).to_contain_text("three")
    expect(page.locator("#live")).to_have_text("")


def test_who_is_logged_out_elsewhere_is_told(open_page: OpenPage, act: Act, watch: Watch) -> None:
    watch.allow("401")
    page = open_page()
    show(page)
    act("before")
    expect(page.locator(".pill")).to_be_visible()
    page.context.clear_cookies()
    act("after")
    expect(page.locator("[data-live-toggle]")).to_have_text("Logged out")


def test_the_page_of_a_job_follows_it_and_its_queue_its_numbers(open_page: OpenPage, stack: Stack) -> None:
    handle = stack.producer.enqueue(welcome.of("ann"))
    job, queues = open_page(), open_page()
    job.goto(f"/jobs/{handle.job_id}")
    expect(job.locator("#job")).to_contain_text("ready")
    queues.goto("/queues")
    row = queues.locator("#queues tr", has_text="mail")
    expect(row).to_contain_text("1")
    stack.worker()
    handle.result(timeout=30)
    expect(job.locator("#job")).to_contain_text("succeeded")
    expect(queues.locator("#queues")).not_to_contain_text("no worker")
    stack.stop_workers()


def test_below_a_path_it_is_as_live_and_hears_of_other_processes(
    open_page: OpenPage, stack: Stack, act: Act
) -> None:
    url = stack.start_mounted()
    page = open_page(url=url)
    rows_move_by_themselves(page)
    page.goto(f"{url}/audit")
    expect(page.locator("[data-live-toggle]")).to_have_text("Live")
    act("at the other one")
    expect(page.locator("#acts tbody tr").first).to_contain_text("at the other one")


def _watch_streams(context: BrowserContext) -> tuple[list[str], list[str]]:
    began: list[str] = []
    ended: list[str] = []

    def is_stream(request: Request) -> bool:
        return "/events?" in request.url

    context.on("request", lambda request: began.append(request.url) if is_stream(request) else None)
    for name in ("requestfailed", "requestfinished"):
        context.on(name, lambda request: ended.append(request.url) if is_stream(request) else None)  # type: ignore[call-overload]
    return began, ended


def _hide(page: Page, hidden: bool) -> Any:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
