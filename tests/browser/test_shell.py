"""What all pages have: logins, the keyboard, the palette, themes, questions, live regions that stay put."""

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from .conftest import OpenPage, copied_by, go_by_letter
from .stack import Stack
from .watch import Watch

LIVE = """
    (label) => {
        const region = document.createElement("section");
        region.id = "probe";
        region.setAttribute("hx-get", location.pathname);
        region.setAttribute("hx-select", "#probe");
        region.setAttribute("hx-swap", "outerMorph");
        region.setAttribute("hx-trigger", "live");
        const box = document.createElement("input");
        box.id = "box";
        box.value = "typed";
        const old = document.createElement("p");
        old.id = "old";
        old.textContent = label;
        region.append(box, old);
        document.querySelector("main").append(region);
        htmx.process(region);
        box.focus();
    }
"""


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


@pytest.mark.parametrize("javascript", [True, False])
def test_somebody_logs_in_chooses_a_theme_and_logs_out(
    open_page: OpenPage, stack: Stack, javascript: bool
) -> None:
    name = f"ann-{javascript}"
    stack.login({"role": "admin"}, name=name)
    with stack.api() as api:
        [user] = [user for user in api.get("/v1/users").json()["items"] if user["name"] == name]
        assert (
            api.patch(f"/v1/users/{user['id']}", json={"password": "correct horse battery"}).status_code
            == 200
        )
    page = open_page(None, javascript=javascript)
    page.goto("/settings/roles")
    assert path_of(page) == "/login"
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not fit")
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("columnheader", name="Permission")).to_be_visible()
    assert path_of(page) == "/settings/roles"
    expect(page.locator("body")).to_have_css("background-color", "rgb(247, 247, 245)")
    page.get_by_role("button", name="Dark theme").click()
    expect(page.locator("body")).to_have_css("background-color", "rgb(19, 20, 22)")
    assert path_of(page) == "/settings/roles"
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert path_of(page) == "/login"
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_letters_lead_to_pages(page: Page) -> None:
    page.goto("/settings/api")
    go_by_letter(page, "s", "/settings")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard")
    expect(dialog).to_contain_text("Go to anything")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_letters_can_be_switched_off(page: Page) -> None:
    page.goto("/settings/api")
    page.keyboard.press("?")
    page.get_by_label("Shortcuts of one letter").uncheck()
    page.get_by_role("button", name="Close").click()
    page.reload()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Go to")).to_be_visible()


def test_a_letter_in_a_field_is_a_letter(page: Page) -> None:
    page.goto("/settings/tokens")
    field = page.get_by_label("Name")
    field.click()
    page.keyboard.type("gs?jkx")
    expect(field).to_have_value("gs?jkx")
    assert path_of(page) == "/settings/tokens"


def test_the_palette_leads_to_a_page_by_a_part_of_its_name(page: Page) -> None:
    page.goto("/settings/api")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name="Go to a page")
    expect(box).to_be_focused()
    page.keyboard.type("setti")
    option = page.get_by_role("option", name="Settings page")
    expect(option).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings")


def test_the_palette_says_nothing_that_a_name_could_run(page: Page) -> None:
    page.goto("/settings/api")
    page.keyboard.press("Control+k")
    page.keyboard.type("<img src=x onerror=alert(1)>")
    expect(page.locator("dialog img")).to_have_count(0)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_rows_are_walked_and_opened_by_the_keyboard(page: Page, stack: Stack) -> None:
    for name in ("row-a", "row-b"):
        stack.login({"role": "viewer"}, name=name)
    page.goto("/settings/users")
    rows = page.locator("tr[data-row]")
    page.keyboard.press("j")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    expect(rows.nth(1)).to_be_focused()
    name = rows.nth(1).locator("a").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/settings/users/.+"))
    expect(page.locator("main")).to_contain_text(name)


def test_a_question_opens_and_closes_by_the_keyboard_and_is_asked_before_anything_happens(
    page: Page, stack: Stack
) -> None:
    stack.login({"role": "viewer"}, name="leaving")
    page.goto("/settings/users")
    page.get_by_role("link", name="leaving").click()
    page.wait_for_url("**/settings/users/*")
    button = page.locator("summary", has_text="Delete")
    question = page.get_by_text("They are forgotten, with their tokens and logins.")
    button.focus()
    page.keyboard.press("Enter")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/users")
    expect(page.get_by_role("status").filter(has_text="forgotten")).to_be_visible()
    expect(page.get_by_role("link", name="leaving")).to_have_count(0)


def test_a_token_is_copied(open_page: OpenPage) -> None:
    page = open_page("admin", permissions=["clipboard-read", "clipboard-write"])
    page.goto("/settings/tokens")
    page.get_by_label("Name").fill("copied")
    page.get_by_label("May do").fill("viewer")
    page.get_by_role("button", name="Make token").click()
    secret = page.locator(".secret").inner_text()
    page.wait_for_load_state()
    assert copied_by(page.get_by_role("button", name="Copy")) == secret


def test_new_content_is_morphed_in_and_the_focus_stays(page: Page) -> None:
    """htmx may make HTML of our answers, though the policy lets nobody else; and nothing is torn out."""
    page.goto("/settings")
    fresh = '<section id="probe"><input id="box"><p id="old">new</p><script>window.ran = 1</script></section>'
    page.route("**/settings", lambda route: route.fulfill(body=f"<html><body>{fresh}</body></html>"))
    page.evaluate(LIVE, "old")
    page.evaluate("document.querySelector('#probe').dispatchEvent(new CustomEvent('live'))")
    expect(page.locator("#old")).to_have_text("new")
    expect(page.locator("#box")).to_be_focused()
    expect(page.locator("#box")).to_have_value("typed")
    assert page.evaluate("window.ran") is None


@pytest.mark.parametrize("status", [304, 403, 500, 503])
def test_an_error_does_not_wipe_what_is_shown(page: Page, watch: Watch, status: int) -> None:
    watch.allow(f"answer {status}")
    page.goto("/settings")
    page.route("**/settings", lambda route: route.fulfill(status=status, body="<h1>no</h1>"))
    page.evaluate(LIVE, "old")
    with page.expect_response("**/settings"):
        page.evaluate("document.querySelector('#probe').dispatchEvent(new CustomEvent('live'))")
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    expect(page.locator("#old")).to_have_text("old")


def test_a_login_that_ended_leads_to_the_login_page(page: Page, watch: Watch) -> None:
    watch.allow("answer 401")
    page.goto("/settings")
    page.context.clear_cookies()
    page.evaluate(LIVE, "old")
    page.evaluate("document.querySelector('#probe').dispatchEvent(new CustomEvent('live'))")
    page.wait_for_url("**/login?next=%2Fsettings")


@pytest.mark.parametrize(
    "attempt",
    [
        "document.body.innerHTML = '<b>x</b>'",
        "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')",
        "new DOMParser().parseFromString('<b>x</b>', 'text/html')",
        "document.createElement('script').text = 'window.ran = 1'",
        "trustedTypes.createPolicy('other', {createHTML: (text) => text})",
        "trustedTypes.createPolicy('monarq', {createHTML: (text) => text})",
        "eval('1')",
        "new Function('return 1')",
    ],
)
def test_nothing_else_makes_html_or_scripts_of_text(page: Page, watch: Watch, attempt: str) -> None:
    watch.allow("CSP", "trusted-types", "TrustedHTML", "TrustedScript", "Content Security Policy", "violates")
    page.goto("/settings")
    # by a timer: what the test itself calls may do more than a page
    refused = page.evaluate(
        f"""new Promise((tell) => setTimeout(() => {{
            try {{ {attempt}; tell("done"); }} catch (error) {{ tell(error.name); }}
        }}))"""
    )
    assert refused in ("TypeError", "EvalError"), refused


def test_the_palette_works_below_a_path(open_page: OpenPage, stack: Stack) -> None:
    url = stack.start_mounted()
    page = open_page("admin", url=url)
    page.goto(f"{url}/settings/api")
    page.keyboard.press("Control+k")
    page.keyboard.type("settings")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/settings")
