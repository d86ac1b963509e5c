"""Overview, queues and workers in a browser: what changes is seen, and what is asked for is done."""

from datetime import timedelta

import pytest
import redis
from playwright.sync_api import Locator, Page, expect

from monarq.jobs.store.keys import QUEUES

from .conftest import OpenPage
from .shop import render, welcome
from .stack import Stack


@pytest.fixture(autouse=True)
def _nothing_left(stack: Stack) -> None:
    stack.stop_workers()
    stack.empty()
    with redis.Redis.from_url(stack.valkey.url) as client:
        client.sadd(QUEUES, "mail")  # the producer has told so once


def fill(stack: Stack, number: int, *, delay: timedelta = timedelta(0)) -> None:
    """Let jobs of the queue `mail` wait."""
    for n in range(number):
        stack.producer.enqueue(welcome.of(f"ann-{n}@example.com"), delay=delay)


def test_the_overview_shows_without_a_reload_that_nobody_works_and_that_somebody_does(
    open_page: OpenPage, stack: Stack
) -> None:
    fill(stack, 1)
    page = open_page("viewer")
    page.goto("/")
    expect(page.get_by_text("1 ready, no worker listens on mail")).to_be_visible()
    fill(stack, 4)
    expect(page.get_by_text("5 ready, no worker listens on mail")).to_be_visible()
    stack.worker()
    expect(page.locator(".verdict")).to_contain_text("nothing is late")
    row = page.get_by_role("row", name="mail")
    expect(row.get_by_role("cell").nth(1)).to_have_text("0")


@pytest.mark.parametrize("javascript", [True, False], ids=["with-script", "without-script"])
def test_a_queue_is_paused_with_a_reason_and_resumed(
    open_page: OpenPage, stack: Stack, javascript: bool
) -> None:
    fill(stack, 3)
    page = open_page("operator", javascript=javascript)
    # while a look takes long, a page shows what was seen before
    stack.wait(lambda: page.goto("/queues/mail") and "3 ready" in page.locator(".line").inner_text())
    page.locator("summary", has_text="Pause").click()
    page.get_by_label("Why").first.fill("the mail server moves")
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".told")).to_contain_text("mail is paused")
    expect(page.locator(".line")).to_contain_text("the mail server moves; 3 wait for its resume")
    page.get_by_role("button", name="Resume").first.click()
    expect(page.locator(".told")).to_contain_text("mail goes on")
    expect(page.locator(".line")).to_contain_text("3 ready, no worker listens on mail")


def test_a_queue_is_paused_by_the_keyboard_alone(open_page: OpenPage, stack: Stack) -> None:
    fill(stack, 1)
    page = open_page("operator")
    page.goto("/queues/mail")
    page.locator("summary", has_text="Pause").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("it rests")
    page.keyboard.press("Enter")
    expect(page.locator(".told")).to_contain_text("mail is paused")


def test_a_queue_is_purged_only_after_its_name_was_typed(open_page: OpenPage, stack: Stack) -> None:
    fill(stack, 12)
    fill(stack, 3, delay=timedelta(hours=1))
    page = open_page("admin")
    page.goto("/queues/mail")
    expect(tile(page, "Ready")).to_have_text("12")
    expect(tile(page, "Scheduled")).to_have_text("3")
    page.reload()  # the page may have been of the moment before
    page.locator("summary", has_text="Purge").click()
    form = page.locator("form[action$='/purge']")
    expect(form).to_contain_text("15 now")
    form.get_by_label("Why").fill("sent twice")
    form.get_by_label("Type").fill("mial")
    form.get_by_role("button").click()
    expect(form).to_be_visible()  # the browser does not send it
    form.get_by_label("Type").fill("mail")
    form.get_by_role("button").click()
    expect(page.locator(".told")).to_contain_text("15 jobs are cancelled.")
    expect(tile(page, "Ready")).to_have_text("0")
    expect(tile(page, "Scheduled")).to_have_text("0")


def test_a_worker_that_is_drained_finishes_and_is_gone(open_page: OpenPage, stack: Stack) -> None:
    running = stack.worker()
    handle = stack.producer.enqueue(render.of("2026-10"))
    stack.wait(lambda: str(handle.status()) == "running")
    page = open_page("admin")
    page.goto("/workers")
    page.locator("tbody th a").click()
    page.wait_for_url("**/workers/*")
    expect(page.get_by_role("row", name="report.render")).to_be_visible()
    page.locator("summary", has_text="Drain").click()
    page.get_by_label("Why").fill("the host is replaced")
    page.get_by_role("button", name="Drain").click()
    expect(page.locator(".told")).to_contain_text("is told to drain")
    expect(page.locator("tbody .state")).to_have_text("draining")
    stack.stage.folder.joinpath("released").touch()
    assert handle.result(timeout=30) == "2026-10.pdf"
    assert running.ends() == 0
    expect(page.get_by_text("No worker has reported within the last minute")).to_be_visible()


def test_a_viewer_is_offered_nothing_to_change(open_page: OpenPage, stack: Stack) -> None:
    stack.worker()
    page = open_page("viewer")
    for path in ("/", "/queues", "/queues/mail", "/workers"):
        page.goto(path)
        assert page.locator("main form[method=post]").count() == 0, path
    page.locator("tbody th a").first.click()
    expect(page.get_by_role("heading", name="Runs now")).to_be_visible()
    assert page.locator("main form[method=post]").count() == 0


def tile(page: Page, label: str) -> Locator:
    """The number of a tile."""
    return page.locator(".tile", has_text=label).first.locator("b")
