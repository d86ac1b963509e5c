"""Failures, dead letters and operations as people use them: by mouse, by keyboard, and without scripts."""

import re
from contextlib import suppress

import pytest
from playwright.sync_api import Page, expect

from monarq.jobs.errors import JobUnsuccessful

from .accessibility import serious_findings
from .conftest import OpenPage, fits_its_window, picture
from .shop import charge, reject
from .stack import Stack

_LETTERS = 60


@pytest.fixture(scope="module")
def failed(stack: Stack) -> Stack:
    """Some dozens of dead letters of two bugs, and no worker that would run them again."""
    stack.worker()
    handles = [stack.producer.enqueue(charge.of(order=n, cents=990)) for n in range(_LETTERS)]
    handles.append(stack.producer.enqueue(reject.of("a pen")))
    for handle in handles:
        with suppress(JobUnsuccessful):
            handle.result(timeout=60)
    stack.stop_workers()
    return stack


def plan_and_begin(page: Page, rate: str = "") -> None:
    """From the page that shows what it would be, to the page of the operation."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("?")
    if rate:
        page.get_by_label("At most, per second").fill(rate)
    page.locator("main form button").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("?")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_pages_look_well(failed: Stack, open_page: OpenPage, theme: str, width: int) -> None:
    page = open_page(theme=theme, width=width)
    page.goto("/failures")
    page.get_by_role("link", name="CardDeclined").first.click()
    page.wait_for_url("**/failures/*")
    found = {"failure": page.url}
    page.goto("/dead-letters")
    page.get_by_role("button", name=re.compile("Replay all")).click()
    page.wait_for_url("**/operations/*")
    found["plan"] = page.url
    found |= {"failures": "/failures", "dead-letters": "/dead-letters", "operations": "/operations"}
    found["new-operation"] = "/operations/new?action=cancel&q=state:ready"
    for name, address in found.items():
        page.goto(address)
        picture(page, f"{name}-{theme}-{width}")
        assert serious_findings(page) == [], name
        fits_its_window(page)


@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_chosen_letters_are_replayed(failed: Stack, open_page: OpenPage, javascript: bool) -> None:
    page = open_page(javascript=javascript)
    page.goto("/dead-letters?queue=payments")
    boxes = page.get_by_role("checkbox")
    for number in range(2):
        boxes.nth(number).check()
    page.get_by_role("button", name="Replay chosen …").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay 2 dead letters?")
    plan_and_begin(page)

    def is_done() -> bool:
        page.reload()
        return page.locator(".state-done").count() > 0

    failed.wait(is_done)
    page.goto("/operations")
    expect(page.get_by_role("row").nth(1)).to_contain_text("2 chosen one by one")


def test_an_operation_is_watched_live_and_cancelled(failed: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto("/failures")
    row = page.get_by_role("row", name=re.compile("CardDeclined"))
    row.get_by_role("button", name="Replay").click()
    plan_and_begin(page, rate="0.5")  # it goes on for longer than anything below takes
    done = page.locator(".tile", has_text="Done").locator("b")
    expect(done).not_to_have_text("0")  # without a reload
    picture(page, "operation-light-1280")
    assert serious_findings(page) == []
    page.get_by_text("Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the operation").click()
    expect(page.locator(".state-cancelled")).to_be_visible()
    expect(page.get_by_text("cancelled by")).to_be_visible()
    page.goto("/operations")
    picture(page, "operations-light-1280")


def test_a_failure_is_snoozed_and_comes_back(failed: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto("/failures")
    row = page.get_by_role("row", name=re.compile("CardDeclined"))
    row.locator("summary", has_text="Snooze").click()
    row.get_by_label("Why").fill("the bank is told")
    picture(page, "failures-snooze")
    row.get_by_role("button", name="Snooze").click()
    expect(page.get_by_role("status").filter(has_text="Nobody sees")).to_be_visible()
    expect(row).to_have_count(0)
    page.get_by_role("link", name="Snoozed").click()
    expect(row).to_contain_text("the bank is told")
    row.get_by_role("button", name="Wake").click()
    expect(page.locator(".told")).to_be_visible()
    page.goto("/failures")
    expect(row).to_have_count(1)


def test_a_row_is_chosen_and_replayed_by_keys_alone(failed: Stack, open_page: OpenPage) -> None:
    page = open_page()
    page.goto("/dead-letters")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)
    page.get_by_role("button", name="Replay chosen …").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Replay 1 dead letter?")
