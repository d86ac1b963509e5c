"""The page of jobs in a browser: completed, ticked, turned, by mouse and by keyboard."""

import csv

import pytest
from playwright.sync_api import Page, expect

from .accessibility import serious_findings
from .conftest import OpenPage, fits_its_window, picture
from .shop import sync, welcome
from .stack import Stack
from .town import Town


@pytest.fixture(scope="module", autouse=True)
def _town(stack: Stack) -> Town:
    return Town(stack).build(jobs=4)


def rows(page: Page) -> list[str]:
    return page.locator("tr[data-row] .state").all_inner_texts()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_list_is_for_everybody_and_every_screen(open_page: OpenPage, theme: str, width: int) -> None:
    page = open_page(theme=theme, width=width)
    for number, address in enumerate(("/jobs", "/jobs?q=state:faild", "/jobs?q=queue:mial%20state:dead")):
        page.goto(address)
        picture(page, f"jobs-{number}-{theme}-{width}")
        assert serious_findings(page) == []
        fits_its_window(page)


def test_names_and_values_are_completed_by_the_keyboard(page: Page) -> None:
    page.goto("/jobs")
    page.keyboard.press("/")
    page.keyboard.type("sta")
    expect(page.locator("#q-list li")).to_have_text(["state:"])
    page.keyboard.press("Tab")
    page.keyboard.type("de")
    expect(page.locator("#q-list li")).to_have_text(["dead", "succeeded"])
    picture(page, "jobs-completed")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_have_value("state:dead ")
    page.keyboard.type("kind:card")
    expect(page.locator("#q-list li", has_text="card.charge")).to_be_visible()
    page.keyboard.type(".")
    page.keyboard.press("Escape")  # before it is asked what completes this
    page.evaluate("new Promise((done) => setTimeout(done, 500))")
    expect(page.locator("#q-list li:visible")).to_have_count(0)
    page.keyboard.type("charge")
    page.keyboard.press("Enter")
    page.wait_for_url("**/jobs?q=state*")
    expect(page.locator("tr[data-row] .state").filter(has_not_text="dead")).to_have_count(0)
    assert set(rows(page)) == {"dead"}


def test_chips_tabs_and_cells_narrow_a_search_and_widen_it(page: Page) -> None:
    page.goto("/jobs")
    page.get_by_role("link", name="dead", exact=True).click()
    page.wait_for_url("**state%3Adead*")
    page.get_by_role("row").get_by_role("link", name="card.charge").first.click()
    expect(page.locator(".chips li code")).to_have_text(["state:dead", "kind:card.charge"])
    page.get_by_role("link", name="search without state:dead").click()
    expect(page.locator(".chips li code")).to_have_text(["kind:card.charge"])


def test_ticked_jobs_are_retried(page: Page) -> None:
    page.goto("/jobs?q=state:retrying&sort=due_at")
    retry = page.get_by_role("button", name="Retry the ticked")
    expect(retry).to_be_disabled()
    page.get_by_role("checkbox", name="Tick all on this page").check()
    expect(page.locator("[data-chosen]")).to_have_text("1 ticked")
    retry.click()
    expect(page.locator(".told")).to_contain_text("1 job tried again")
    # its queue is paused: it is ready, and stays so
    expect(page.locator("tr[data-row]")).to_have_count(0)


def test_a_row_is_ticked_and_opened_by_the_keyboard(page: Page) -> None:
    page.goto("/jobs?q=state:dead")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("td.tick :checked")).to_have_count(1)
    expect(page.locator("[data-chosen]")).to_have_text("1 ticked")


def test_without_a_script_the_page_does_the_same(open_page: OpenPage, stack: Stack) -> None:
    waits = [stack.producer.enqueue(sync.of(f"depot-{n}"), queue="stock") for n in range(3)]
    page = open_page(javascript=False)
    page.goto("/jobs?limit=2&q=queue:stock%20state:ready")
    links = page.locator("tr[data-row] th a")
    first = links.all_inner_texts()
    assert len(first) == 2
    page.get_by_role("link", name="Next").click()
    expect(links).not_to_have_text(first)
    page.get_by_role("link", name="Previous").click()
    expect(links).to_have_text(first)
    page.goto(f"/jobs?q=id:{waits[0].job_id}")
    page.locator("td.tick input").check()
    page.get_by_role("button", name="Cancel the ticked").click()
    expect(page.locator(".told")).to_contain_text("1 job cancelled")
    page.locator("summary", has_text="Columns").click()
    page.get_by_label("worker").check()
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**columns=worker**")
    page.locator("summary", has_text="Views").click()
    page.get_by_label("Keep this one as").fill("With workers")
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.locator(".told")).to_contain_text("With workers is kept")
    page.goto("/jobs")
    expect(page.get_by_role("columnheader", name="Worker")).to_have_count(0)
    page.locator("summary", has_text="Views").click()
    page.get_by_role("link", name="With workers").click()
    page.wait_for_url("**columns=worker**")
    expect(page.get_by_role("columnheader", name="Worker")).to_be_visible()


def test_a_search_is_exported(page: Page) -> None:
    page.goto("/jobs?q=state:dead")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert head[:3] == ["id", "state", "queue"]
    assert [line[1] for line in lines] == rows(page)


def test_new_jobs_wait_behind_a_button_while_rows_are_ticked(page: Page, stack: Stack) -> None:
    page.goto("/jobs?q=queue:mail")
    page.locator("td.tick input").first.check()
    before = rows(page)
    handle = stack.producer.enqueue(welcome.of("new@example.com"))
    handle.result(timeout=60)
    expect(page.locator(".pill")).to_be_visible()
    assert rows(page) == before
    expect(page.locator("td.tick :checked")).to_have_count(1)
