"""What holds for every page: who may see it, how it is told what went wrong, and how it travels."""

import gzip
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from monarq.dashboard.access.guard import Guard
from monarq.dashboard.app import create_app
from monarq.jobs.errors import StoreUnavailable

from .house import House

FORM = {"content-type": "application/x-www-form-urlencoded"}
#: Tried wherever somebody else's words come onto a page.
XSS = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


async def test_who_is_not_logged_in_is_asked_to_and_comes_back(house: House) -> None:
    answer = await house.client().get("/settings/tokens?cursor=abc")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Fsettings%2Ftokens%3Fcursor%3Dabc"
    assert (await house.client().post("/settings/password")).headers["location"] == "/login"


async def test_a_part_of_a_page_sends_the_whole_page_to_the_login(house: House) -> None:
    answer = await house.client().get("/settings", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login?next=%2Fsettings")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "There is nothing at this address"),
        ("/settings/tokens", 403, "This needs the permission tokens:read"),
        ("/settings?x=1", 400, "A parameter is not known here"),
    ],
)
async def test_an_error_is_a_page_with_the_id_of_the_request(
    house: House, path: str, status: int, words: str
) -> None:
    browser = await house.browser({"role": "viewer"})
    answer = await browser.get(path, headers={"x-request-id": "abc-1"})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert words in answer.text
    assert "abc-1" in answer.text
    assert "Log out" in answer.text


async def test_head_is_answered_as_get_is(house: House) -> None:
    """Save the body, which the server leaves out: who may not see a page does not by HEAD."""
    browser = await house.browser({"role": "viewer"})
    for path in ("/", "/queues", "/login", "/nowhere", "/settings/tokens", "/theme", "/v1/queues", "/livez"):
        for client in (browser, house.client()):
            got, asked = await client.get(path), await client.head(path)
            assert (path, asked.status_code) == (path, got.status_code)
            for name in ("location", "content-type"):
                assert asked.headers.get(name) == got.headers.get(name)


async def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await house.browser({"role": "viewer"})

    async def fail(*_: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(Guard, "scopes", fail)
    answer = await browser.get("/settings")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "Internal error" in answer.text


async def test_a_store_that_is_away_is_told_on_a_page(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await house.browser({"role": "viewer"})

    async def away(*_: object) -> None:
        raise StoreUnavailable("Connection refused: 10.0.0.5")

    monkeypatch.setattr(house.services.kinds, "list", away)
    answer = await browser.get("/kinds")
    assert answer.status_code == 503
    assert "Redis does not answer; ask again in a moment" in answer.text
    assert "10.0.0.5" not in answer.text


async def test_a_page_that_only_became_older_is_not_sent_again(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    first = await browser.get("/settings")
    again = await browser.get("/settings", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    dark = await browser.post("/theme", data={"theme": "dark", "next": "/settings"})
    assert dark.headers["location"] == "/settings"
    changed = await browser.get("/settings", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200
    assert 'data-theme="dark"' in changed.text


async def test_a_page_is_compressed_for_who_unpacks(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    packed = await browser.get("/settings", headers={"accept-encoding": "gzip"})
    plain = await browser.get("/settings", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert "Accept-Encoding" in plain.headers["vary"]


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x"]
)
async def test_a_form_is_the_only_body_of_a_page(house: House, content_type: str) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.post(
        "/theme", content=b'{"theme": "dark"}', headers={"content-type": content_type}
    )
    assert (answer.status_code, "unsupported_media" in answer.text) == (415, True)


async def test_a_form_of_another_site_changes_nothing(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.post("/logout", headers={"sec-fetch-site": "cross-site"})
    assert (answer.status_code, "cross_origin" in answer.text) == (403, True)
    assert (await browser.get("/settings")).status_code == 200


async def test_what_is_wrong_with_a_form_is_told_by_its_field(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.post("/settings/users", data={"name": "a b", "grants": "admin", "wings": "2"})
    assert answer.status_code == 422
    assert "<code>name</code>" in answer.text
    assert "<code>wings</code>" in answer.text


async def test_what_came_of_a_form_is_told_once(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    await browser.post("/settings/sessions/others/end")
    assert "Ended 0 other logins." in (await browser.get("/settings")).text
    assert "Ended 0" not in (await browser.get("/settings")).text


@pytest.mark.parametrize("forged", ["SGFja2Vk.00", "SGFja2Vk", "x.y", "é.é", "."])
async def test_nobody_else_puts_words_into_our_mouth(house: House, forged: str) -> None:
    browser = await house.browser({"role": "viewer"})
    answer = await browser.get("/settings", headers={"cookie": _with(browser, f"monarq_told={forged}")})
    assert answer.status_code == 200
    assert 'class="told"' not in answer.text


async def test_words_of_one_login_do_not_count_in_another(house: House) -> None:
    one, other = await house.browser({"role": "viewer"}), await house.browser({"role": "viewer"})
    await one.post("/settings/sessions/others/end")
    told = f"monarq_told={one.cookies['monarq_told']}"
    answer = await other.get("/settings", headers={"cookie": _with(other, told)})
    assert 'class="told"' not in answer.text


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
async def test_a_theme_is_remembered_without_a_login_and_without_a_script(house: House, theme: str) -> None:
    client = house.client(sec_fetch_site="same-origin")
    answer = await client.post("/theme", data={"theme": theme, "next": "//evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert f'data-theme="{theme}"' in (await client.get("/login")).text


async def test_a_strange_theme_is_none(house: House) -> None:
    client = house.client(cookie='monarq_theme="><script>')
    assert 'data-theme="auto"' in (await client.get("/login")).text


async def test_the_environment_stands_on_every_page_and_in_its_title(open_house: Callable[..., Any]) -> None:
    house = await open_house(environment=XSS[:24], environment_colour="red")
    for path in ("/login", "/nowhere"):
        page = (await house.client().get(path)).text
        assert "tone-red" in page
        assert "<title>[&lt;script&gt;" in page
        assert "<script>alert" not in page


async def test_files_are_kept_for_ever_by_a_name_that_changes_with_them(house: House) -> None:
    login = (await house.client().get("/login")).text
    names = re.findall(r'(?:href|src)="(/static/[^"]+)"', login)
    assert len(names) >= 4
    for name in names:
        answer = await house.client().get(name, headers={"accept-encoding": "gzip"})
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        plain = await house.client().get(name, headers={"accept-encoding": "identity"})
        assert plain.content == answer.content
        assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    "name",
    [
        "monarq.css",
        "vendor/VENDORED.txt",
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/settings.py",
        "monarq-0000000000.css",
        "",
    ],
)
async def test_nothing_but_the_files_can_be_had(house: House, name: str) -> None:
    assert (await house.client().get(f"/static/{name}")).status_code == 404


@pytest.mark.parametrize("is_cut_off", [True, False])
async def test_every_link_is_below_the_prefix(open_house: Callable[..., Any], is_cut_off: bool) -> None:
    house = await open_house(url="https://localhost/ops/monarq")
    prefix = "" if is_cut_off else "/ops/monarq"
    client = house.client(base="https://localhost", sec_fetch_site="same-origin")
    user = await house.user({"role": "admin"})
    login = await client.post(
        f"{prefix}/login", data={"name": user.name, "password": "correct horse battery"}
    )
    assert login.headers["location"] == "/ops/monarq/"
    page = (await client.get(f"{prefix}/settings")).text
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page)
    assert len(links) > 20
    assert [link for link in links if not link.startswith(("/ops/monarq/", "#"))] == []
    assert 'aria-current=page data-letter="s"' in page
    assert (await house.client(base="https://localhost").get("/livez")).status_code == 200


async def test_the_prefix_alone_leads_to_its_folder(open_house: Callable[..., Any]) -> None:
    house = await open_house(url="https://localhost/ops")
    answer = await house.client(base="https://localhost").get("/ops")
    assert (answer.status_code, answer.headers["location"]) == (308, "/ops/")


async def test_it_works_inside_of_another_app(house: House) -> None:
    outer = Starlette(routes=[Mount("/inner/place", create_app(house.services))])
    house.app = outer  # type: ignore[assignment]
    nobody = house.client()
    asked = await nobody.get("/inner/place/settings")
    assert asked.headers["location"] == "/inner/place/login?next=%2Fsettings"
    client = house.client(sec_fetch_site="same-origin")
    user = await house.user({"role": "admin"})
    form = {"name": user.name, "password": "correct horse battery", "next": "/settings"}
    assert (await client.post("/inner/place/login", data=form)).headers["location"] == "/inner/place/settings"
    page = await client.get("/inner/place/settings")
    assert page.status_code == 200
    links = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
    assert [link for link in links if not link.startswith(("/inner/place/", "#"))] == []
    style = next(link for link in links if link.endswith(".css"))
    assert (await client.get(style)).status_code == 200
    assert (await client.get("/inner/place/nowhere")).status_code == 404


async def test_every_answer_forbids_scripts_of_others(house: House) -> None:
    for path in ("/login", "/nowhere", "/static/nothing"):
        policy = (await house.client().get(path)).headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "frame-ancestors 'none'" in policy


async def test_a_page_in_gzip_is_whole(house: House) -> None:
    """httpx unpacks by itself; here the bytes are looked at."""
    browser = await house.browser({"role": "viewer"})
    request = browser.build_request("GET", "/settings", headers={"accept-encoding": "gzip"})
    answer = await browser.send(request, stream=True)
    body = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert gzip.decompress(body).rstrip().endswith(b"</html>")


def _with(browser: Any, cookie: str) -> bytes:
    kept = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    return f"{kept}; {cookie}".encode("latin-1")
