"""The pages under Settings."""

import re
from collections.abc import Callable
from typing import Any

from monarq.dashboard.access.grants import Grant
from monarq.dashboard.settings import DashboardSettings

from .house import PASSWORD, House


async def test_who_may_see_less_is_shown_less(house: House) -> None:
    viewer, admin = await house.browser({"role": "viewer"}), await house.browser({"role": "admin"})
    for link in ("/settings/tokens", "/settings/users", "/settings/configuration", "/audit"):
        assert f'href="{link}"' not in (await viewer.get("/settings")).text
        assert f'href="{link}"' in (await admin.get("/settings")).text


async def test_one_sees_and_ends_ones_own_logins(house: House) -> None:
    user = await house.user({"role": "viewer"})
    one, other = await house.browser(user=user), await house.browser(user=user)
    page = (await one.get("/settings")).text
    ends = re.findall(r'action="(/settings/sessions/[^"]+/end)"', page)
    assert len(ends) == 2  # the other one, and all others
    assert (await one.post(ends[0])).headers["location"] == "/settings"
    assert (await other.get("/settings")).status_code == 303
    assert "this one" in (await one.get("/settings")).text


async def test_all_other_logins_end_at_once(house: House) -> None:
    user = await house.user({"role": "viewer"})
    one, *others = [await house.browser(user=user) for _ in range(3)]
    await one.post("/settings/sessions/others/end")
    assert "Ended 2 other logins." in (await one.get("/settings")).text
    assert [(await other.get("/settings")).status_code for other in others] == [303, 303]


async def test_a_password_is_changed_by_who_knows_it(house: House) -> None:
    user = await house.user({"role": "viewer"})
    browser = await house.browser(user=user)
    wrong = {"old_password": "wrong", "new_password": "battery staple horse"}
    assert (await browser.post("/settings/password", data=wrong)).status_code == 401
    short = {"old_password": PASSWORD, "new_password": "short"}
    assert "at least 12 characters" in (await browser.post("/settings/password", data=short)).text
    right = {"old_password": PASSWORD, "new_password": "battery staple horse"}
    assert (await browser.post("/settings/password", data=right)).status_code == 303
    login = await house.client().post("/login", data={"name": user.name, "password": "battery staple horse"})
    assert login.status_code == 303


async def test_a_token_is_made_shown_once_used_and_revoked(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    form = {"name": "shop", "grants": "viewer queues=mail*\njobs:enqueue", "expires_in_days": "30"}
    made = await browser.post("/settings/tokens", data=form)
    assert made.status_code == 200
    assert made.headers["cache-control"] == "no-store"
    secret = re.search(r'class="secret">([^<]+)<', made.text)
    assert secret is not None
    program = house.client(authorization=f"Bearer {secret[1]}")
    queues = (await program.get("/v1/queues")).json()["items"]
    assert {queue.get("queue") or queue["name"] for queue in queues} == {"mail", "mail.bulk"}
    page = (await browser.get("/settings/tokens")).text
    assert secret[1] not in page
    assert "viewer queues=mail*" in page
    [revoke] = re.findall(r'action="(/settings/tokens/[^"]+/revoke)"', page)
    assert (await browser.post(revoke)).status_code == 303
    assert (await program.get("/v1/queues")).status_code == 401
    assert "revoked" in (await browser.get("/settings/tokens")).text


async def test_nobody_makes_a_token_that_may_do_more_than_they(house: House) -> None:
    browser = await house.browser(
        {"role": "viewer"}, {"permissions": ["tokens:read:own", "tokens:write:own"]}
    )
    answer = await browser.post("/settings/tokens", data={"name": "x", "grants": "admin"})
    assert (answer.status_code, "not_permitted" in answer.text) == (403, True)
    assert (await browser.post("/settings/tokens", data={"name": "x", "grants": "viewer"})).status_code == 200


async def test_a_user_is_added_changed_disabled_and_forgotten(house: House) -> None:
    browser = await house.browser({"role": "admin"})
    form = {"name": "ann", "grants": "operator queues=mail*", "password": PASSWORD}
    place = (await browser.post("/settings/users", data=form)).headers["location"]
    assert "ann is added." in (await browser.get(place)).text
    assert (
        await house.client().post("/login", data={"name": "ann", "password": PASSWORD})
    ).status_code == 303
    user = await house.directory.user_named("ann")
    assert user is not None
    assert user.grants == (Grant(role="operator", queues=("mail*",)),)
    await browser.post(place, data={"grants": "viewer\nproducer"})
    changed = await house.directory.user(user.id)
    assert changed is not None
    assert [grant.role for grant in changed.grants] == ["viewer", "producer"]
    await browser.post(place, data={"is_active": "false"})
    assert "disabled" in (await browser.get("/settings/users")).text
    assert (
        await house.client().post("/login", data={"name": "ann", "password": PASSWORD})
    ).status_code == 401
    assert (await browser.post(f"{place}/delete")).headers["location"] == "/settings/users"
    assert (await browser.get(place)).status_code == 404


async def test_nobody_changes_themselves(house: House) -> None:
    user = await house.user({"role": "admin"})
    browser = await house.browser(user=user)
    page = (await browser.get(f"/settings/users/{user.id}")).text
    assert f'action="/settings/users/{user.id}' not in page
    assert (await browser.post(f"/settings/users/{user.id}/delete")).status_code == 422


async def test_the_configuration_shows_no_secret(open_house: Callable[..., Any], monkeypatch: Any) -> None:
    users = {"ann": {"password": "SECRET-hash", "grants": [{"role": "admin"}]}}
    house = await open_house(with_database=False, users=users)
    own = DashboardSettings(users=users, signing_keys="SECRET-key")  # type: ignore[arg-type]
    monkeypatch.setattr(house.services.configuration, "_dashboard", own)
    secret = house.settings.model_copy(
        update={"redis_url": _secret("redis://bob:SECRET@cache.example:6380/2")}
    )
    monkeypatch.setattr(house.services.configuration, "_settings", secret)
    link = await house.services.logins._sessions.offer_login("ann")
    browser = house.client(sec_fetch_site="same-origin")
    assert (await browser.post(f"/login/{link}")).status_code == 303
    page = (await browser.get("/settings/configuration")).text
    assert "SECRET" not in page
    assert "redis://cache.example:6380/2" in page
    assert "bob" not in page
    assert "MONARQ_DASHBOARD_SIGNING_KEYS" in page
    assert re.search(r"MONARQ_HISTORY_KEEP.*2592000 s.*\(30 d\)", page), "as it is set, and in words"


async def test_where_users_come_from_the_settings_no_form_pretends_otherwise(
    open_house: Callable[..., Any],
) -> None:
    house = await open_house(
        with_database=False, users={"ann": {"password": "", "grants": [{"role": "admin"}]}}
    )
    link = await house.services.logins._sessions.offer_login("ann")
    browser = house.client(sec_fetch_site="same-origin")
    await browser.post(f"/login/{link}")
    for path in ("/settings", "/settings/users", "/settings/users/ann", "/settings/tokens"):
        page = (await browser.get(path)).text
        assert "ann" in page
        posts = re.findall(r'method="post" action="(/settings[^"]*)"', page)
        posts += re.findall(r'action="(/settings[^"]*)"', page)
        assert posts == []


async def test_roles_say_what_they_permit(open_house: Callable[..., Any]) -> None:
    house = await open_house(roles={"on-call": ["jobs:read", "jobs:cancel:own"]})
    browser = await house.browser({"role": "admin"})
    page = (await browser.get("/settings/roles")).text
    assert "on-call" in page
    row = re.search(r"<code>jobs:cancel</code></th>(.*?)</tr>", page, re.S)
    assert row is not None
    assert row[1].count("own jobs") == 1


async def test_the_api_is_listed_with_what_each_request_needs(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    page = (await browser.get("/settings/api")).text
    assert "/v1/queues/{queue}/pause" in page
    assert "queues:pause" in page


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)


async def test_who_was_let_in_by_a_link_chooses_their_first_password(house: House) -> None:
    admin = await house.browser({"role": "admin"})
    place = (await admin.post("/settings/users", data={"name": "ben", "grants": "viewer"})).headers[
        "location"
    ]
    link = re.search(
        r'class="secret">http://localhost:8080([^<]+)<', (await admin.post(f"{place}/login")).text
    )
    assert link is not None
    ben = house.client(sec_fetch_site="same-origin")
    await ben.post(link[1])
    page = (await ben.get("/settings")).text
    assert 'name="old_password"' not in page
    assert (await ben.post("/settings/password", data={"new_password": PASSWORD})).status_code == 303
    assert 'name="old_password"' in (await ben.get("/settings")).text
    again = await ben.post("/settings/password", data={"new_password": "another " + PASSWORD})
    assert again.status_code == 401
    assert (
        await house.client().post("/login", data={"name": "ben", "password": PASSWORD})
    ).status_code == 303
