"""What an operator does at three in the morning, from the first look to the last replay."""

import asyncio
import re

import pytest
import redis
from playwright.sync_api import Page, expect

from monarq.jobs.store.keys import queue_keys

from .conftest import OpenPage, go_by_letter
from .crowd import bury
from .shop import charge
from .stack import Stack, apart

#: Of each of three bugs.
LETTERS = 100


@pytest.fixture(autouse=True)
def _afresh(stack: Stack) -> None:
    stack.stop_workers()
    stack.empty()


def die(stack: Stack, order: int) -> str:
    """A job that is dead now."""
    stack.worker()
    handle = stack.producer.enqueue(charge.of(order=order, cents=990))
    stack.wait(lambda: str(handle.status()) == "dead")
    return handle.job_id


def letters(stack: Stack) -> list[bytes]:
    """The ids of the dead letters of the queue of cards."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        return list(client.zrange(queue_keys("payments").dead, 0, -1))


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_failed_job_is_retried_without_a_mouse(open_page: OpenPage, stack: Stack) -> None:
    job_id = die(stack, 17)
    page = open_page("operator")
    page.goto("/")
    go_by_letter(page, "d", "/dead-letters")
    press(page, "j", "Enter")
    page.wait_for_url(re.compile(f"/jobs/{job_id}"))
    (stack.folder / "mended").touch()
    for _ in range(40):
        press(page, "Tab")
        if page.evaluate("document.activeElement.textContent").strip().startswith("Retry"):
            break
    press(page, "Enter")
    expect(page.locator("main")).to_contain_text("succeeded")


def test_a_bug_is_replayed_after_it_was_counted(open_page: OpenPage, stack: Stack) -> None:
    apart(asyncio.run, bury(stack.valkey.url, 3 * LETTERS))
    page = open_page("operator")
    page.goto("/failures")
    page.get_by_role("link", name="CardDeclined").first.click()
    page.wait_for_url("**/failures/*")
    page.get_by_role("button", name=re.compile("^Replay")).first.click()
    expect(page.locator("main")).to_contain_text(f"Replay {LETTERS} dead letters?")
    assert len(letters(stack)) == 3 * LETTERS, "nothing was done yet"
    page.locator("main").get_by_role("button", name=re.compile("^Replay")).last.click()
    page.wait_for_url(re.compile("/operations/"))
    expect(page.locator("main .state-done").first).to_be_visible()
    assert len(letters(stack)) == 2 * LETTERS
    with stack.api() as api:
        [operation] = api.get("/v1/operations").json()["items"]
    assert (operation["total"], operation["done"], operation["failed"]) == (LETTERS, LETTERS, 0)


def test_what_happens_is_shown_while_one_looks(open_page: OpenPage, stack: Stack) -> None:
    page = open_page("viewer")
    page.goto("/queues")
    before = page.evaluate("performance.timeOrigin")
    stack.producer.enqueue(charge.of(order=1, cents=990))
    expect(page.get_by_role("row", name=re.compile("payments")).first).to_be_visible()
    assert page.evaluate("performance.timeOrigin") == before, "it was not loaded anew"
