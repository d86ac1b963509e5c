"""`/v1/users`: who manages whom; nobody gives away more than they have."""

from collections.abc import Callable
from typing import Any

import pytest

from .house import PASSWORD, House

ADMIN = {"role": "admin"}
#: May manage users, but may do little else.
CLERK = {"permissions": ["users:read", "users:write", "queues:read"]}


async def test_an_admin_adds_changes_and_deletes_a_user(house: House) -> None:
    admin = await house.browser(ADMIN)
    made = await admin.post(
        "/v1/users", json={"name": "ben", "password": PASSWORD, "grants": [{"role": "viewer"}]}
    )
    assert made.status_code == 201, made.text
    place = made.headers["location"]
    user = (await admin.get(place)).json()
    assert user == made.json()
    assert (user["name"], user["is_active"], user["has_password"]) == ("ben", True, True)
    assert "argon2" not in made.text
    assert PASSWORD not in made.text
    changed = await admin.patch(place, json={"grants": [{"role": "operator", "queues": ["mail"]}]})
    assert changed.json()["grants"][0]["role"] == "operator"
    assert (await admin.delete(place)).status_code == 204
    assert (await admin.get(place)).status_code == 404
    assert (await admin.delete(place)).status_code == 404


async def test_a_name_belongs_to_one_user_whatever_its_case(house: House) -> None:
    admin = await house.browser(ADMIN)
    assert (await admin.post("/v1/users", json={"name": "Ben"})).status_code == 201
    answer = await admin.post("/v1/users", json={"name": "ben"})
    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    "grants",
    [
        [{"role": "admin"}],
        [{"role": "operator", "queues": ["mail"]}],
        [{"permissions": ["queues:read"]}, {"permissions": ["jobs:read"]}],
        [{"permissions": ["jobs:read:own"]}],
    ],
)
async def test_nobody_gives_away_more_than_they_have(house: House, grants: list[dict[str, Any]]) -> None:
    clerk = await house.browser(CLERK)
    answer = await clerk.post("/v1/users", json={"name": "ben", "grants": grants})
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    viewer = await clerk.post("/v1/users", json={"name": "ben", "grants": [{"permissions": ["queues:read"]}]})
    assert viewer.status_code == 201
    raised = await clerk.patch(viewer.headers["location"], json={"grants": grants})
    assert raised.status_code == 403


@pytest.mark.parametrize(
    "change", [{"password": "a new long password"}, {"is_active": False}, {"grants": []}, None]
)
async def test_who_may_do_more_cannot_be_changed_by_who_may_do_less(
    house: House, change: dict[str, Any] | None
) -> None:
    """Else a clerk could set an admin's password, and log in."""
    admin = await house.user(ADMIN)
    clerk = await house.browser(CLERK)
    place = f"/v1/users/{admin.id}"
    before = await house.directory.user(admin.id)
    answer = await (clerk.delete(place) if change is None else clerk.patch(place, json=change))
    assert answer.status_code == 403
    assert await house.directory.user(admin.id) == before


async def test_a_grant_that_is_limited_to_queues_manages_nobody(house: House) -> None:
    limited = await house.browser({"role": "admin", "queues": ["mail*"]})
    assert (await limited.get("/v1/users")).status_code == 403
    assert (await limited.post("/v1/users", json={"name": "ben"})).status_code == 403


async def test_nobody_changes_themselves(house: House) -> None:
    user = await house.user(ADMIN)
    browser = await house.browser(user=user)
    assert (await browser.delete(f"/v1/users/{user.id}")).status_code == 422
    assert (await browser.patch(f"/v1/users/{user.id}", json={"is_active": False})).status_code == 422


@pytest.mark.parametrize("change", [{"password": "a new long password"}, {"is_active": False}, None])
async def test_a_new_password_and_an_end_end_all_logins(house: House, change: dict[str, Any] | None) -> None:
    user = await house.user({"role": "viewer"})
    theirs, admin = await house.browser(user=user), await house.browser(ADMIN)
    place = f"/v1/users/{user.id}"
    await (admin.delete(place) if change is None else admin.patch(place, json=change))
    assert (await theirs.get("/v1/me")).status_code == 401
    assert await house.services.link.call("ZCARD", f"monarq:sessions:{user.id}") == 0


@pytest.mark.parametrize(
    "order",
    [
        {"name": "no name"},
        {"name": ""},
        {"name": "a\u0000b"},
        {"name": "x" * 101},
        {"name": "ben", "password": "short"},
        {"name": "ben", "password": "x" * 513},
        {"name": "ben", "is_active": True},
        {"name": "ben", "id": "1"},
        {"name": "ben", "grants": [{"role": "nobody"}]},
        {"name": "ben", "grants": [{"role": "viewer", "owner": "x"}]},
        {"name": "ben", "grants": [{"role": "viewer"}] * 51},
    ],
)
async def test_a_user_that_cannot_be_is_refused(house: House, order: dict[str, Any]) -> None:
    admin = await house.browser(ADMIN)
    answer = await admin.post("/v1/users", json=order)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"]
    assert len((await admin.get("/v1/users")).json()["items"]) == 1


async def test_pages_hold_every_user_once(house: House) -> None:
    admin = await house.browser(ADMIN)
    made = {(await house.user()).id for _ in range(7)}
    seen: list[str] = []
    place = "/v1/users?limit=3"
    while place:
        answer = await admin.get(place)
        seen += [user["id"] for user in answer.json()["items"]]
        cursor = answer.json()["next"]
        assert ("link" in answer.headers) == (cursor is not None)
        place = answer.headers["link"].partition(">")[0].removeprefix("<") if cursor else ""
    assert len(seen) == len(set(seen)) == 8
    assert made < set(seen)
    assert (await admin.get("/v1/users?cursor=!")).status_code == 400


async def test_without_postgresql_users_and_tokens_come_from_the_settings(
    open_house: Callable[..., Any],
) -> None:
    from monarq.dashboard.auth.passwords import hash_password
    from monarq.dashboard.auth.secrets import new_token

    secret, digest, _ = new_token()
    old_secret, old_digest, _ = new_token()
    viewer = [{"role": "viewer"}]
    house = await open_house(
        with_database=False,
        users={"ann": {"password": hash_password(PASSWORD), "grants": [{"role": "admin"}]}},
        tokens={
            "ci": {"sha256": digest.hex(), "grants": viewer, "expires_at": "2100-01-01T00:00:00Z"},
            "old": {"sha256": old_digest.hex(), "grants": viewer, "expires_at": "2020-01-01T00:00:00Z"},
        },
    )
    browser = house.client(sec_fetch_site="same-origin")
    assert (await browser.post("/v1/sessions", json={"name": "Ann", "password": PASSWORD})).status_code == 201
    assert [user["name"] for user in (await browser.get("/v1/users")).json()["items"]] == ["ann"]
    assert [token["name"] for token in (await browser.get("/v1/tokens")).json()["items"]] == ["ci", "old"]
    for answer in (
        await browser.post("/v1/users", json={"name": "ben"}),
        await browser.post("/v1/tokens", json={"name": "x", "grants": viewer}),
        await browser.delete("/v1/tokens/ci"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
    assert (await house.client(authorization=f"Bearer {secret}").get("/v1/queues")).status_code == 200
    assert (await house.client(authorization=f"Bearer {old_secret}").get("/v1/queues")).status_code == 401
