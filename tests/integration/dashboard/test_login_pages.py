"""Logging in and out by pages."""

import pytest

from .house import PASSWORD, House


async def test_somebody_logs_in_and_goes_on_where_they_wanted(house: House) -> None:
    user = await house.user({"role": "viewer"})
    client = house.client(sec_fetch_site="same-origin")
    assert 'value="/settings?a=b"' in (await client.get("/login", params={"next": "/settings?a=b"})).text
    form = {"name": user.name, "password": PASSWORD, "next": "/settings?a=b"}
    answer = await client.post("/login", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/settings?a=b")
    assert (await client.get("/settings")).status_code == 200


@pytest.mark.parametrize("following", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
async def test_a_login_leads_to_no_other_site(house: House, following: str) -> None:
    user = await house.user({"role": "viewer"})
    client = house.client(sec_fetch_site="same-origin")
    assert "evil" not in (await client.get("/login", params={"next": following})).text
    form = {"name": user.name, "password": PASSWORD, "next": following}
    assert (await client.post("/login", data=form)).headers["location"] == "/"


async def test_a_wrong_login_does_not_tell_what_is_wrong_and_keeps_the_name(house: House) -> None:
    user = await house.user({"role": "viewer"})
    client = house.client(sec_fetch_site="same-origin")
    pages = []
    for name in (user.name, "nobody"):
        answer = await client.post("/login", data={"name": name, "password": "wrong", "next": "/jobs"})
        assert answer.status_code == 401
        assert f'value="{name}"' in answer.text
        assert 'value="/jobs"' in answer.text
        assert "wrong" not in answer.text
        pages.append(answer.text.replace(name, "?"))
    assert _without_clock(pages[0]) == _without_clock(pages[1])
    assert "monarq_session" not in client.cookies


async def test_a_name_cannot_write_onto_the_page(house: House) -> None:
    client = house.client(sec_fetch_site="same-origin")
    answer = await client.post("/login", data={"name": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>alert" not in answer.text


async def test_guessing_ends_with_a_page_that_says_when_to_go_on(house: House) -> None:
    client = house.client(sec_fetch_site="same-origin")
    for _ in range(10):
        assert (await client.post("/login", data={"name": "ann", "password": "x"})).status_code == 401
    answer = await client.post("/login", data={"name": "ann", "password": "x"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "Too many requests" in answer.text


async def test_the_login_of_before_ends_with_a_new_one(house: House) -> None:
    user = await house.user({"role": "viewer"})
    client = house.client(sec_fetch_site="same-origin")
    form = {"name": user.name, "password": PASSWORD}
    await client.post("/login", data=form)
    before = client.cookies["monarq_session"]
    await client.post("/login", data=form)
    assert client.cookies["monarq_session"] != before
    old = house.client(cookie=f"monarq_session={before}")
    assert (await old.get("/settings")).status_code == 303


async def test_a_logout_ends_the_login_for_good(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    secret = browser.cookies["monarq_session"]
    answer = await browser.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "monarq_session" not in browser.cookies
    old = house.client(cookie=f"monarq_session={secret}")
    assert (await old.get("/settings")).status_code == 303


async def test_a_look_at_a_link_does_not_use_it_up(house: House) -> None:
    user = await house.user({"role": "viewer"})
    browser = await house.browser({"role": "admin"})
    page = await browser.post(f"/settings/users/{user.id}/login")
    link = page.text.partition("http://localhost:8080/login/")[2].partition("<")[0]
    client = house.client(sec_fetch_site="same-origin")
    for _ in range(2):
        assert f'action="/login/{link}"' in (await client.get(f"/login/{link}")).text
    assert (await client.post(f"/login/{link}")).status_code == 303
    assert user.name in (await client.get("/settings")).text
    again = await house.client(sec_fetch_site="same-origin").post(f"/login/{link}")
    assert (again.status_code, "login_failed" in again.text) == (401, True)


def _without_clock(page: str) -> str:
    before, _, rest = page.partition('data-now="')
    return before + rest.partition('"')[2]


async def test_who_may_not_see_the_overview_lands_on_what_they_may_see(house: House) -> None:
    viewer, nobody = await house.browser({"role": "viewer"}), await house.browser()
    assert (await viewer.get("/")).status_code == 200
    producer = await house.browser({"role": "producer"})
    assert (await producer.get("/")).headers["location"] == "/jobs"
    assert (await nobody.get("/")).headers["location"] == "/settings"
