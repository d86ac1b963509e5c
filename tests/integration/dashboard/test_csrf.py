"""Changes that another site makes a browser ask for, and where requests come from."""

from collections.abc import Callable
from typing import Any

import pytest

from .house import ORIGIN, House

PAUSE = "/v1/queues/mail/pause"
SITES = {
    "cross-site": {"sec-fetch-site": "cross-site"},
    "same-site": {"sec-fetch-site": "same-site"},
    "none": {"sec-fetch-site": "none"},
    "unknown": {"sec-fetch-site": "other"},
    "same-origin, of another origin": {"sec-fetch-site": "same-site", "origin": ORIGIN},
    "origin of another": {"origin": "https://evil.example"},
    "origin null": {"origin": "null"},
    "origin with another port": {"origin": "http://localhost:9999"},
    "origin with another scheme": {"origin": "https://localhost:8080"},
    "origin that begins like ours": {"origin": ORIGIN + ".evil.example"},
    "neither": {},
}


async def is_paused(house: House) -> bool:
    program = await house.program({"role": "viewer"})
    return bool((await program.get("/v1/queues/mail")).json()["pauses"])


@pytest.mark.parametrize("site", SITES)
async def test_a_change_with_a_cookie_comes_from_our_pages_or_is_refused(house: House, site: str) -> None:
    browser = await house.browser({"role": "admin"})
    del browser.headers["sec-fetch-site"]
    answer = await browser.post(PAUSE, json={"why": "x"}, headers=SITES[site])
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
    assert not await is_paused(house)


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": ORIGIN}])
async def test_a_change_from_our_pages_is_carried_out(house: House, headers: dict[str, str]) -> None:
    browser = await house.browser({"role": "admin"})
    del browser.headers["sec-fetch-site"]
    assert (await browser.post(PAUSE, json={"why": "x"}, headers=headers)).status_code == 200
    assert await is_paused(house)


async def test_a_program_needs_no_origin(house: House) -> None:
    program = await house.program({"role": "operator"})
    assert (await program.post(PAUSE, json={"why": "x"})).status_code == 200


@pytest.mark.parametrize("site", [name for name in SITES if name != "neither"])
async def test_another_site_cannot_log_a_browser_in(house: House, site: str) -> None:
    user = await house.user({"role": "viewer"})
    login = {"name": user.name, "password": "correct horse battery"}
    answer = await house.client().post("/v1/sessions", json=login, headers=SITES[site])
    assert answer.status_code == 403
    assert (await house.client().post("/v1/sessions", json=login)).status_code == 201


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_what_a_form_can_send_is_no_change(house: House, content_type: str) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.post(PAUSE, content=b'{"why": "x"}', headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media")
    assert not await is_paused(house)


async def test_a_compressed_body_is_not_unpacked(house: House) -> None:
    program = await house.program({"role": "admin"})
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    assert (await program.post(PAUSE, content=b"\x1f\x8b", headers=headers)).status_code == 415


async def test_a_method_in_a_header_or_a_parameter_changes_nothing(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.get("/v1/sessions/current", headers={"x-http-method-override": "DELETE"})
    assert answer.status_code == 405
    assert (await browser.get("/v1/me", params={"_method": "DELETE"})).status_code == 400


async def test_no_other_site_may_read(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    answer = await browser.get("/v1/me", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = await browser.options(PAUSE, headers={"origin": "https://evil.example"})
    assert preflight.status_code == 405


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost:8081", "localhost.evil.example:8080", "", "localhost:x"]
)
async def test_a_name_that_somebody_else_has_pointed_at_us_is_refused(
    open_house: Callable[..., Any], host: str
) -> None:
    house = await open_house(url="http://127.0.0.1:8080")
    program = await house.program({"role": "viewer"})
    assert (await program.get("/v1/queues", headers={"host": host})).status_code == 421
    for mine in ("127.0.0.1:8080", "localhost:8080", "[::1]:8080"):
        assert (await program.get("/v1/queues", headers={"host": mine})).status_code == 200
    assert (await program.get("/livez", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    ("sent", "peer", "expected"),
    [
        ({"x-forwarded-for": "203.0.113.9"}, "192.0.2.1", "192.0.2.1"),
        ({"x-forwarded-for": "203.0.113.9"}, "10.0.0.1", "203.0.113.9"),
        ({"x-forwarded-for": "1.1.1.1, 203.0.113.9"}, "10.0.0.1", "203.0.113.9"),
        ({"x-forwarded-for": "203.0.113.9, 10.0.0.2"}, "10.0.0.1", "203.0.113.9"),
        ({"x-forwarded-for": "203.0.113.9, nonsense"}, "10.0.0.1", "None"),
        ({"forwarded": "for=203.0.113.9", "x-real-ip": "203.0.113.9"}, "10.0.0.1", "10.0.0.1"),
        ({}, "::ffff:10.0.0.1", "10.0.0.1"),
    ],
)
async def test_only_a_proxy_that_is_listed_says_where_a_request_comes_from(
    open_house: Callable[..., Any], sent: dict[str, str], peer: str, expected: str
) -> None:
    house = await open_house(proxies=("10.0.0.0/8",))
    user = await house.user({"role": "viewer"})
    login = {"name": user.name, "password": "correct horse battery"}
    answer = await house.client(address=peer).post("/v1/sessions", json=login, headers=sent)
    assert answer.json()["address"] == expected


async def test_a_grant_for_a_network_cannot_be_had_by_a_header(house: House) -> None:
    grant = {"role": "viewer", "networks": ["10.0.0.0/8"]}
    inside = await house.program(grant, address="10.1.1.1")
    assert (await inside.get("/v1/queues")).status_code == 200
    outside = await house.program(grant, address="192.0.2.1")
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "client-ip"):
        assert (await outside.get("/v1/queues", headers={name: "10.1.1.1"})).status_code == 403
