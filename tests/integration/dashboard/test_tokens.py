"""`/v1/tokens`: what programs show."""

from datetime import timedelta
from typing import Any

import pytest

from .house import House

ADMIN = {"role": "admin"}
VIEWER = [{"role": "viewer"}]
#: May have tokens of their own.
OWN = {"permissions": ["tokens:read:own", "tokens:write:own", "queues:read", "jobs:read"]}


async def make(client: Any, *grants: dict[str, Any], **options: Any) -> Any:
    return await client.post("/v1/tokens", json={"name": "ci", "grants": list(grants), **options})


async def test_a_token_is_told_once_and_then_only_its_beginning(house: House) -> None:
    admin = await house.browser(ADMIN)
    made = await make(admin, *VIEWER)
    assert made.status_code == 201, made.text
    secret = made.json()["token"]
    program = house.client(authorization=f"Bearer {secret}")
    assert (await program.get("/v1/queues")).status_code == 200
    told = await admin.get(made.headers["location"])
    assert secret not in told.text
    assert secret.startswith(told.json()["hint"])
    assert told.json()["last_used_at"] is not None
    async with house.services.database.connection() as connection:  # type: ignore[union-attr]
        rows = await connection.fetch("SELECT * FROM monarq.api_tokens")
    assert secret not in str(rows)


async def test_a_revoked_token_an_old_one_and_one_without_its_owner_do_not_hold(house: House) -> None:
    owner = await house.user(ADMIN)
    admin = await house.browser(ADMIN)
    revoked, revoked_id = await house.token(*VIEWER)
    old, _ = await house.token(*VIEWER, life=timedelta(seconds=-1))
    orphan, _ = await house.token(*VIEWER, owner=owner)
    assert (await admin.delete(f"/v1/tokens/{revoked_id}")).status_code == 204
    assert (await admin.get(f"/v1/tokens/{revoked_id}")).json()["revoked_at"] is not None
    assert (await house.client(authorization=f"Bearer {orphan}").get("/v1/me")).status_code == 200
    await house.directory.change_user(owner.id, is_active=False)
    for secret in (revoked, old, orphan, "monarq_", "monarq_x", orphan[:-1], orphan + "x", orphan.upper()):
        assert (await house.client(authorization=f"Bearer {secret}").get("/v1/me")).status_code == 401


async def test_a_token_loses_what_its_owner_loses(house: House) -> None:
    owner = await house.user(ADMIN)
    made = await make(await house.browser(user=owner), {"role": "operator"})
    program = house.client(authorization=f"Bearer {made.json()['token']}")
    assert (await program.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 200
    await house.directory.change_user(owner.id, grants=())
    assert (await program.get("/v1/queues")).status_code == 403


async def test_a_token_may_do_no_more_than_who_makes_it(house: House) -> None:
    browser = await house.browser(OWN)
    for grant in ({"role": "admin"}, {"permissions": ["queues:pause"]}):
        answer = await make(browser, grant)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
    assert (await make(browser, {"permissions": ["queues:read"], "queues": ["mail"]})).status_code == 201


async def test_a_token_makes_no_tokens(house: House) -> None:
    answer = await make(await house.program(ADMIN), *VIEWER)
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_means")


async def test_who_may_manage_their_own_tokens_sees_no_others(house: House) -> None:
    _, foreign = await house.token(*VIEWER)
    browser = await house.browser(OWN)
    mine = (await make(browser, {"permissions": ["queues:read"]})).json()["id"]
    assert [token["id"] for token in (await browser.get("/v1/tokens")).json()["items"]] == [mine]
    assert (await browser.get(f"/v1/tokens/{foreign}")).status_code == 404
    assert (await browser.delete(f"/v1/tokens/{foreign}")).status_code == 404
    assert (await browser.delete(f"/v1/tokens/{mine}")).status_code == 204
    admin = await house.browser(ADMIN)
    assert {token["id"] for token in (await admin.get("/v1/tokens")).json()["items"]} == {foreign, mine}


@pytest.mark.parametrize(
    "order",
    [
        {"grants": []},
        {"grants": [{"role": "nobody"}]},
        {"grants": VIEWER, "expires_in_days": 0},
        {"grants": VIEWER, "expires_in_days": 367},
        {"grants": VIEWER, "expires_in_days": 10**400},
        {"grants": VIEWER, "owner_id": "x"},
        {"grants": VIEWER, "name": "a\nb"},
    ],
)
async def test_a_token_that_cannot_be_is_refused(house: House, order: dict[str, Any]) -> None:
    admin = await house.browser(ADMIN)
    answer = await admin.post("/v1/tokens", json={"name": "ci"} | order)
    assert answer.status_code == 422, answer.text


async def test_the_use_of_a_token_is_written_once_a_minute(house: House) -> None:
    secret, token_id = await house.token(*VIEWER)
    program = house.client(authorization=f"Bearer {secret}")
    await program.get("/v1/me")
    first = await house.directory.token(token_id)
    await program.get("/v1/me")
    assert await house.directory.token(token_id) == first
    assert first is not None
    assert first.last_used_at is not None
