"""A job and its kind in a browser: seen, steered and enqueued by clicks, by keys, and without a script."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenPage, copied_by
from .shop import Parcel, charge, render, ship, welcome
from .stack import Stack
from .watch import Watch


@pytest.fixture
def dead(stack: Stack) -> Iterator[str]:
    """A dead job, and a worker that would run it well by now."""
    (stack.folder / "mended").unlink(missing_ok=True)
    stack.worker()
    handle = stack.producer.enqueue(charge.of(order=7, cents=990))
    stack.wait(lambda: str(handle.status()) == "dead")
    (stack.folder / "mended").touch()
    yield handle.job_id
    stack.stop_workers()


def state(page: Page) -> str:
    return page.locator(".lead .state").inner_text()


def test_a_dead_job_is_retried_by_a_click_and_its_end_shows_by_itself(open_page: OpenPage, dead: str) -> None:
    page = open_page("operator")
    page.goto(f"/jobs/{dead}")
    expect(page.locator(".lead .state")).to_have_text("dead")
    expect(page.locator(".timeline")).to_contain_text("the bank does not answer")
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator(".lead .state")).to_have_text("succeeded")
    expect(page.locator(".timeline")).to_contain_text("Replayed")
    expect(page.get_by_role("button", name="Retry now")).to_have_count(0)


def test_a_dead_job_is_retried_by_keys_alone(open_page: OpenPage, dead: str) -> None:
    page = open_page("operator")
    page.goto(f"/jobs/{dead}")
    retry = page.get_by_role("button", name="Retry now")
    for _ in range(60):
        page.keyboard.press("Tab")
        if retry.evaluate("button => button === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.locator(".lead .state")).to_have_text("succeeded")


def test_without_a_script_all_of_it_works_as_well(open_page: OpenPage, stack: Stack, dead: str) -> None:
    page = open_page("admin", javascript=False)
    page.goto(f"/jobs/{dead}")
    page.get_by_role("button", name="Retry now").click()
    expect(page.get_by_role("status").filter(has_text="again")).to_be_visible()
    stack.wait(lambda: page.reload() and state(page) == "succeeded")
    later = stack.producer.enqueue(welcome.of("ann@example.com"), delay=timedelta(hours=2))
    page.goto(f"/jobs/{later.job_id}")
    page.locator("summary", has_text="Priority").click()
    page.get_by_label("Priority").select_option("critical")
    page.get_by_role("button", name="Change priority").click()
    expect(page.locator(".facts").first).to_contain_text("critical")
    page.locator("summary", has_text="Cancel").click()
    page.get_by_label("Why").fill("wrong address")
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".lead .state")).to_have_text("cancelled")
    expect(page.locator(".timeline")).to_contain_text("wrong address")


def test_a_job_that_runs_is_seen_to_end(page: Page, stack: Stack) -> None:
    stack.worker()
    handle = stack.producer.enqueue(render.of("2026-10"))
    stack.wait(lambda: str(handle.status()) == "running")
    page.goto(f"/jobs/{handle.job_id}")
    expect(page.locator(".lead .state")).to_have_text("running")
    expect(page.locator("[data-live-toggle]")).to_have_text("Live")
    (stack.folder / "released").touch()
    expect(page.locator(".lead .state")).to_have_text("succeeded")
    expect(page.locator(".json")).to_contain_text(["month", "2026-10.pdf"])
    stack.stop_workers()


def test_a_question_that_is_open_is_not_taken_away(page: Page, stack: Stack) -> None:
    handle = stack.producer.enqueue(welcome.of("ann@example.com"), delay=timedelta(hours=2))
    page.goto(f"/jobs/{handle.job_id}")
    expect(page.locator("[data-live-toggle]")).to_have_text("Live")
    page.locator("summary", has_text="Reschedule").click()
    page.get_by_label("In seconds").fill("60")
    with stack.api() as api:
        answer = api.post(f"/v1/jobs/{handle.job_id}/priority", json={"priority": "low"})
        assert answer.status_code == 200
    expect(page.locator(".pill").first).to_have_text("Changed")
    expect(page.get_by_label("In seconds")).to_have_value("60")
    page.get_by_role("button", name="Reschedule").click()
    expect(page.locator(".facts").first).to_contain_text("low")


def test_a_job_is_enqueued_by_the_form_of_its_kind_and_faults_stand_at_their_fields(
    open_page: OpenPage, stack: Stack, watch: Watch
) -> None:
    watch.allow("422")
    page = open_page("producer")
    page.goto("/kinds")
    page.get_by_role("link", name="order.ship").click()
    page.wait_for_url("**/kinds/order.ship")
    page.get_by_label("order", exact=False).first.fill("many")
    page.get_by_label("parcels").fill('[{"sku": "ink", "grams": 0}]')
    page.get_by_role("button", name="Enqueue").click()
    expect(page.locator(".fault")).to_contain_text(
        ["valid integer", "0.grams: Input should be greater than 0"]
    )
    expect(page.get_by_label("parcels")).to_have_value('[{"sku": "ink", "grams": 0}]')
    page.get_by_label("order", exact=False).first.fill(str(2**70))
    page.get_by_label("parcels").fill('[{"sku": "ink", "grams": 3}]')
    page.locator("summary", has_text="Options").click()
    page.get_by_label("Starts in seconds").fill("3600")
    page.get_by_role("button", name="Enqueue").click()
    expect(page.locator(".lead .state")).to_have_text("scheduled")
    expect(page.locator(".json").first).to_contain_text(str(2**70))


def test_a_job_is_edited_and_enqueued_anew(page: Page, stack: Stack) -> None:
    handle = stack.producer.enqueue(ship.of(1, [Parcel(sku="ink", grams=3)]), delay=timedelta(hours=1))
    page.goto(f"/jobs/{handle.job_id}")
    page.get_by_role("link", name="Edit and enqueue anew").click()
    page.wait_for_url("**/again")
    page.get_by_label("order", exact=False).first.fill("2")
    page.get_by_role("button", name="Enqueue anew").click()
    expect(page.locator(".json").first).to_contain_text('"order": 2')
    expect(page.get_by_role("status").filter(has_text=handle.job_id)).to_be_visible()


def test_a_command_is_copied_whole(open_page: OpenPage, stack: Stack) -> None:
    handle = stack.producer.enqueue(welcome.of("it's@example.com"), delay=timedelta(hours=1))
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/jobs/{handle.job_id}")
    page.locator("summary", has_text="As a command").click()
    copied = copied_by(page.locator(".snippets h3", has_text="Command line").get_by_role("button"))
    assert copied.startswith("monarq enqueue mail.welcome --args ")
    assert "it'\"'\"'s@example.com" in copied
