"""What tests of pages may ask for.  They are plain functions: the browser's event loop runs in their thread.

    def test_a_dead_letter_is_replayed_by_a_click(open_page, stack):
        page = open_page("operator")
        page.goto("/dead-letters")

A test fails if any of its pages complains: a script error, something that the CSP blocks, a request to
somewhere else.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, Locator, Page, expect

from tests.postgres import PostgresServer

from .chromium import chromium
from .stack import Stack, apart
from .watch import Watch

#: Pictures of failed tests, and of every page.
PICTURES = Path(__file__).resolve().parents[2] / ".artefacts" / "browser"
#: Milliseconds; other tests may keep the machine busy.
_PATIENCE = 30_000
_ODD = re.compile(r"[^\w.]+")
expect.set_options(timeout=_PATIENCE)
_REPORT = pytest.StashKey[pytest.TestReport]()

OpenPage = Callable[..., Page]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Remember how the test itself went, for the fixture that takes pictures."""
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Iterator[Stack]:
    """A stack that the tests of one file share; `stack.empty()` begins anew."""
    database_url = apart(postgres.new_database)
    with Stack(tmp_path_factory.mktemp("stack"), database_url) as started:
        yield started
    apart(postgres.drop_database, database_url)


@pytest.fixture
def watch() -> Watch:
    """What the pages of this test complain of; `watch.allow("503")` if they should."""
    return Watch()


def new_page(
    browser: Browser,
    stack: Stack,
    watch: Watch,
    role: str | None,
    *grants: dict[str, Any],
    javascript: bool = True,
    theme: str = "light",
    width: int = 1280,
    url: str | None = None,
    **options: Any,
) -> Page:
    """A page of a browser of its own: see `open_page`."""
    context = browser.new_context(
        base_url=url or stack.url,
        color_scheme=theme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 800},
        java_script_enabled=javascript,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(_PATIENCE)
    watch.over(context, url or stack.url, has_scripts=javascript)
    held = grants or (() if role is None else ({"role": role},))
    if held:
        parts = urlsplit(url or stack.url)
        cookie = {"name": "monarq_session", "value": stack.login(*held), "httpOnly": True}
        context.add_cookies([{**cookie, "url": f"{parts.scheme}://{parts.netloc}"}])
    return context.new_page()


@pytest.fixture
def open_page(
    browser: Browser, stack: Stack, watch: Watch, request: pytest.FixtureRequest
) -> Iterator[OpenPage]:
    """Opens pages of browsers of their own.

    open_page(role, *grants, javascript=True, theme="light", width=1280, url=None, **options)

    `role=None` is a browser that nobody has logged in.  `url` is another dashboard than the stack's.
    """
    opened: list[Page] = []

    def make(role: str | None = "admin", *grants: dict[str, Any], **options: Any) -> Page:
        opened.append(new_page(browser, stack, watch, role, *grants, **options))
        return opened[-1]

    yield make
    report = request.node.stash.get(_REPORT, None)
    for number, page in enumerate(opened):
        if report is not None and report.failed:
            with suppress(Error):  # a page that was closed, or hangs, must not hide why the test has failed
                picture(page, f"failed-{request.node.name}-{number}")
        page.context.close()
    assert watch.faults == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """A page of an admin's browser."""
    return open_page()


def picture(page: Page, name: str) -> Path:
    """Keep what the page looks like, under the folder of pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{_ODD.sub('-', name)}.png"
    page.screenshot(path=path, full_page=True)
    return path


def until(page: Page, check: Callable[[], Any]) -> None:
    """Wait until this holds.  What browsers tell of by events is heard only while a page is waited for."""
    deadline = time.monotonic() + _PATIENCE / 1000
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        page.wait_for_timeout(20)


def fits_its_window(page: Page) -> None:
    """Wait until the page is no wider than its window: a drawing follows the window a frame later."""
    page.wait_for_function("() => document.scrollingElement.scrollWidth <= innerWidth")


def copied_by(button: Locator) -> str:
    """What is in the clipboard after a click, once the button has said so: it does for a moment only."""
    told = button.element_handle()
    told.evaluate(
        """button => {
            new MutationObserver(() => { button.said ||= button.textContent.includes("Copied"); })
                .observe(button, { childList: true, characterData: true, subtree: true });
        }"""
    )
    button.click()
    button.page.wait_for_function("button => button.said", arg=told)
    return str(button.page.evaluate("navigator.clipboard.readText()"))


def go_by_letter(page: Page, letter: str, path: str) -> None:
    """Press `g` and a letter; on a busy machine the second may come too late, and both are pressed again."""
    for patience in (3_000, 10_000, _PATIENCE):
        page.keyboard.press("g")
        page.keyboard.press(letter)
        with suppress(Error):
            return page.wait_for_url(f"**{path}", timeout=patience)
    raise AssertionError(f"g {letter} does not lead to {path}")
