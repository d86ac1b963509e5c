"""What holds for every page, whatever it shows: the pages are those of the app's routes."""

import gzip
import re
from collections.abc import Iterator
from urllib.parse import quote, urljoin, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page

from monarq.dashboard.access.roles import BUILT_IN

from .accessibility import serious_findings
from .conftest import OpenPage, fits_its_window, new_page, picture
from .every_page import EveryPage, every_page
from .stack import PREFIX, Stack
from .town import CORPUS, Town
from .watch import Watch

PAGES = every_page()
each_page = pytest.mark.parametrize("one", PAGES, ids=str)
_ADDRESS = re.compile(r"""(?:href|src|action|hx-get)="([^"]*)\"""")
_FIRST_VIEW = re.compile(r"""<(?:link rel="(?:stylesheet|icon)" href|script src)="([^"]*)\"""")
#: What a keyboard must reach, if it can be seen.  Of a field for a time the browser focuses parts of its own.
_FIELDS = "input:not([type=hidden], [type=datetime-local]), select, textarea"
_TO_REACH = f"a[href], button, summary, [tabindex='0'], {_FIELDS}"


@pytest.fixture(scope="module")
def town(stack: Stack) -> Town:
    return Town(stack).build()


@pytest.fixture(scope="module")
def mounted(stack: Stack) -> str:
    """The address of the same dashboard below a path."""
    return stack.start_mounted()


@pytest.fixture(scope="module")
def admin(stack: Stack, town: Town) -> Iterator[httpx.Client]:
    """An admin's browser that only fetches."""
    cookies = {"monarq_session": stack.login({"role": "admin"})}
    with httpx.Client(base_url=stack.url, cookies=cookies, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def browsers(browser: Browser, stack: Stack) -> Iterator[tuple[Page, Page, Watch]]:
    """Pages of two admins' browsers for all tests of this file, one without scripts, and who watches both."""
    watch = Watch()
    pages = [new_page(browser, stack, watch, "admin", javascript=scripts) for scripts in (True, False)]
    yield pages[0], pages[1], watch
    for page in pages:
        page.context.close()


@pytest.fixture
def page(browsers: tuple[Page, Page, Watch]) -> Iterator[Page]:
    """A page that may have shown another address before."""
    page, _, watch = browsers
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})
    yield page
    assert watch.take_faults() == []


@pytest.fixture
def scriptless(browsers: tuple[Page, Page, Watch]) -> Iterator[Page]:
    """The same in a browser that runs no scripts."""
    _, page, watch = browsers
    yield page
    assert watch.take_faults() == []


def visit(page: Page, one: EveryPage, town: Town) -> None:
    """Open a page; it must be there."""
    answer = page.goto(one.address(town.found))
    assert answer is not None
    assert answer.status == 200, page.content()
    assert urlsplit(page.url).path.endswith(one.address(town.found).rstrip("/") or "/"), page.url


def test_there_are_pages() -> None:
    assert len(PAGES) > 20


@each_page
def test_a_page_can_be_used_in_both_themes_and_fits_its_window(
    page: Page, town: Town, one: EveryPage
) -> None:
    """What is wide moves inside of its own frame, never the page as a whole."""
    visit(page, one, town)
    assert page.locator("h1").count() == 1
    assert page.title().endswith("Monarq")
    picture(page, f"page-{one}")
    assert serious_findings(page) == []
    page.emulate_media(color_scheme="dark")
    assert serious_findings(page, only_colours=True) == []
    for width in (1920, 390):
        page.set_viewport_size({"width": width, "height": 800})
        fits_its_window(page)
    picture(page, f"page-{one}-dark-390")


@each_page
def test_a_page_is_whole_without_a_script(scriptless: Page, town: Town, one: EveryPage) -> None:
    visit(scriptless, one, town)
    assert scriptless.locator("main h1").inner_text() != ""
    assert scriptless.locator(".only-js >> visible=true").count() == 0


@each_page
def test_a_page_works_below_any_path(admin: httpx.Client, town: Town, mounted: str, one: EveryPage) -> None:
    """Its addresses do; that its scripts do is seen in test_shell.py."""
    answer = httpx.get(f"{mounted}{one.address(town.found)}", cookies=admin.cookies, timeout=30)
    assert answer.status_code == 200, answer.text
    links = [found for found in _ADDRESS.findall(answer.text) if not found.startswith(("#", "data:"))]
    outside = [found for found in links if not urlsplit(found).path.startswith(PREFIX)]
    assert links
    assert outside == []


@each_page
def test_a_page_is_used_by_the_keyboard_alone(page: Page, town: Town, one: EveryPage) -> None:
    visit(page, one, town)
    to_reach = page.locator(f"{_TO_REACH} >> visible=true").evaluate_all(
        """all => all.filter(one => !one.disabled && one.tabIndex >= 0
            && !(one.type === 'radio' && !one.checked)).map((one, at) => (one.dataset.reach = at, at))"""
    )
    reached, unseen = set(), []
    # a field for a time is several stops
    times = page.locator("input[type=datetime-local]").count()
    for _ in range(len(to_reach) + 10 * times + 5):
        page.keyboard.press("Tab")
        found = page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
                return [one.dataset.reach, one.outerHTML.slice(0, 100),
                    style.outlineStyle !== 'none' || style.boxShadow !== 'none'] }"""
        )
        if found[0] is not None:
            reached.add(int(found[0]))
            if not found[2]:
                unseen.append(found[1])
    missed = page.locator(f"{_TO_REACH} >> visible=true").evaluate_all(
        "(all, reached) => all.filter(one => one.dataset.reach && !reached.includes(+one.dataset.reach))"
        ".map(one => one.outerHTML.slice(0, 100))",
        sorted(reached),
    )
    assert missed == []
    assert unseen == []


@each_page
def test_the_first_view_of_a_page_is_light(admin: httpx.Client, town: Town, one: EveryPage) -> None:
    address = one.address(town.found)
    html = admin.get(address)
    assert html.status_code == 200
    weights = {address: len(gzip.compress(html.content, 6))}
    for found in set(_FIRST_VIEW.findall(html.text)):
        with admin.stream("GET", urljoin(address, found)) as answer:
            assert answer.status_code == 200, found
            assert "immutable" in answer.headers["cache-control"]
            weights[found] = sum(len(chunk) for chunk in answer.iter_raw())
    assert sum(weights.values()) <= one.heaviest, weights


@each_page
def test_a_page_is_open_to_the_roles_that_it_names(stack: Stack, town: Town, one: EveryPage) -> None:
    for name, role in BUILT_IN.items():
        cookies = {"monarq_session": stack.login({"role": name})}
        with httpx.Client(base_url=stack.url, cookies=cookies, timeout=30) as client:
            answer = client.get(one.address(town.found))
        may = one.permission is None or one.permission in role.anywhere | role.own
        if one.path == "/" and not may:  # it is where a login leads to
            assert answer.status_code == 303, name
            assert client.base_url.join(answer.headers["location"]).path not in ("/", "/login")
            continue
        # what a producer may see of its own is not there for what others have made
        assert answer.status_code in ((200, 404) if may else (403,)), f"{name}: {answer.status_code}"
        assert answer.headers["content-type"].startswith("text/html")
        if may and one.permission in (None, *role.anywhere):
            assert answer.status_code == 200, name


@each_page
def test_who_is_not_logged_in_is_asked_to(stack: Stack, town: Town, one: EveryPage) -> None:
    answer = httpx.get(stack.url + one.address(town.found), timeout=30)
    assert answer.status_code == (200 if one.is_public else 303)
    if not one.is_public:
        assert urlsplit(answer.headers["location"]).path == "/login"


def test_no_link_leads_nowhere(admin: httpx.Client, town: Town) -> None:
    """From page to page, some of each sort: not one per job."""
    wrong, seen = [], set()
    ahead = [one.address(town.found) for one in PAGES]
    while ahead and len(seen) < 150:
        address = ahead.pop(0)
        sort = re.sub(r"[0-9a-f]{16,}|(?<==)[^&]*", "", address)
        if sort in seen or "logout" in address:
            continue
        seen.add(sort)
        answer = admin.get(address)
        if answer.status_code != 200:
            wrong.append(f"{answer.status_code} {address}")
        if answer.headers["content-type"].startswith("text/html"):
            links = re.findall(r'href="(/[^"#]*)', answer.text)
            ahead += [link.replace("&amp;", "&") for link in links]
    assert wrong == []


def test_long_names_widen_no_page_and_hide_no_numbers(page: Page, town: Town) -> None:
    job_id, queue = town.add_long()
    page.goto("/queues")
    name = page.get_by_role("rowheader", name=queue).bounding_box()
    assert name is not None
    assert name["width"] < 1280 / 4
    page.set_viewport_size({"width": 390, "height": 800})
    for address in ("/", f"/queues/{queue}", "/jobs?q=state:ready", f"/jobs/{quote(job_id, safe='')}"):
        page.goto(address)
        fits_its_window(page)


def test_nothing_that_others_have_written_is_run(open_page: OpenPage, stack: Stack, town: Town) -> None:
    """If a page took it for markup, the policy would still forbid it to run, and the browser would say so."""
    jobs = town.add_hostile()
    page = open_page()
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    addresses = [one.address(town.found) for one in PAGES]
    addresses += [f"/jobs/{job_id}" for job_id in jobs[:: len(CORPUS) // 4]]
    for address in addresses:
        page.goto(address)
        assert page.evaluate("window.ran") is None, address
        assert page.locator("main iframe, main math, main [onclick], a[href^='javascript:' i]").count() == 0


def test_nothing_that_an_address_says_is_run(open_page: OpenPage, town: Town) -> None:
    page = open_page()
    for number, text in enumerate(CORPUS):
        said = quote(text, safe="")
        for address in (
            f"/login?next={said}",
            f"/queues/{said}",
            f"/jobs?{('q', 'cursor')[number % 2]}={said}",
        ):
            page.goto(address)
            assert page.evaluate("window.ran") is None, address
