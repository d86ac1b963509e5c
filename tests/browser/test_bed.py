"""The bed that the tests of pages lie in: it sees what it must see."""

import shutil

import pytest
from playwright.sync_api import Page, Route

from .accessibility import serious_findings
from .chromium import NoBrowser, find_chromium
from .conftest import OpenPage, until
from .shop import welcome
from .stack import PREFIX, Stack
from .watch import Watch

_POLICY = "default-src 'none'; script-src 'self'; require-trusted-types-for 'script'"
_BAD = {
    "an inline script": "<script>window.ran = 1</script>",
    "an inline handler": "<img src='data:,' onerror='window.ran = 1'>",
    "an inline style": "<p style='color: red'>x</p>",
    "another site": "<img src='https://elsewhere.example/x.png'>",
    "a script that fails": "<script src='/bad.js'></script>",
    "a file that is not there": "<script src='/none.js'></script>",
}


def _serve(page: Page, body: str) -> None:
    """Answer everything by ourselves: this page, and one script."""

    def answer(route: Route) -> None:
        if route.request.url.endswith("/none.js"):
            route.fulfill(status=404, body="")
        elif route.request.url.endswith(".js"):
            route.fulfill(content_type="text/javascript", body="throw new Error('no')")
        else:
            headers = {"content-security-policy": _POLICY, "content-type": "text/html"}
            route.fulfill(headers=headers, body=f"<!doctype html><title>x</title>{body}")

    page.route("**/*", answer)


@pytest.mark.parametrize("name", _BAD)
def test_what_a_page_must_not_do_is_seen(open_page: OpenPage, watch: Watch, name: str) -> None:
    page = open_page(None)
    _serve(page, _BAD[name])
    page.goto("/")
    until(page, lambda: watch.faults)
    assert page.evaluate("window.ran") is None
    watch.allow("")


def test_axe_finds_what_people_cannot_use(open_page: OpenPage) -> None:
    page = open_page(None)
    _serve(page, "<html lang='en'><main><h1>x</h1><button></button></main></html>")
    page.goto("/")
    assert any(finding.startswith("button-name:") for finding in serious_findings(page))


def test_without_a_browser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NoBrowser, match="apt-get install chromium"):
        find_chromium()


def test_a_login_is_one_for_the_dashboard_and_below_a_path(open_page: OpenPage, stack: Stack) -> None:
    mounted = stack.start_mounted()
    assert mounted.endswith(PREFIX)
    for url in (stack.url, mounted):
        answer = open_page("viewer", url=url).goto(f"{url}/v1/me")
        assert answer is not None
        assert answer.status == 200


def test_what_is_enqueued_is_run_by_the_workers_of_the_stack(stack: Stack) -> None:
    stack.worker()
    assert stack.producer.enqueue(welcome.of("ann")).result(timeout=30) == "sent short to ann"
    stack.stop_workers()
    stack.empty()
    with stack.api() as api:
        [queue] = [queue for queue in api.get("/v1/queues").json()["items"] if queue["queue"] == "default"]
    assert queue["counters"] == {}
