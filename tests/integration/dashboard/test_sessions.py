"""The logins of browsers: how long they hold, who sees them, who ends them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic_core import from_json, to_json

from monarq.dashboard.auth.sessions import Sessions
from monarq.jobs.store.keys import SESSION, SESSIONS
from tests.integration.worker.deadlines import eventually

from .house import House


def sessions_of(house: House, **options: Any) -> Sessions:
    given = {"idle": timedelta(minutes=30), "lifetime": timedelta(hours=12)} | options
    return Sessions(house.services.link, **given)


async def test_a_session_ends_when_it_is_not_used(house: House) -> None:
    sessions = sessions_of(house, idle=timedelta(milliseconds=200))
    secret, session = await sessions.begin("1", address="x", agent="y")

    async def is_over() -> bool:
        return await house.services.link.call("EXISTS", SESSION + session.id) == 0

    assert await sessions.of(secret) == session
    await eventually(is_over)
    assert await sessions.of(secret) is None
    assert await sessions.of_user("1") == []


async def test_a_session_that_is_used_goes_on_but_not_past_its_end(house: House) -> None:
    sessions = sessions_of(house, idle=timedelta(milliseconds=400), lifetime=timedelta(milliseconds=1200))
    secret, session = await sessions.begin("1", address="x", agent="y")
    seen = 0

    async def is_over() -> bool:
        nonlocal seen
        found = await sessions.of(secret)
        seen = max(seen, found.seen_ms if found else 0)
        return found is None

    await eventually(is_over)
    assert session.began_ms + 400 < seen <= session.ends_ms


async def test_a_session_that_was_ended_is_not_brought_back_by_its_use(house: House) -> None:
    """Its use is written a moment after it was read: in between somebody may end it."""
    sessions = sessions_of(house)
    secret, session = await sessions.begin("1", address="x", agent="y")
    place = SESSION + session.id
    record = from_json(await house.services.link.call("GET", place))
    await house.services.link.call("SET", place, to_json(record | {"seen_ms": 0}), "KEEPTTL")
    # one connection: the end is written after the record was read, and before its use is
    ended, found = await asyncio.gather(sessions.end("1", session.id), sessions.of(secret))
    assert (ended, found is not None) == (True, True)
    assert await house.services.link.call("EXISTS", place) == 0


async def test_every_key_of_a_session_ends_by_itself(house: House) -> None:
    sessions = sessions_of(house)
    _, session = await sessions.begin("1", address="x", agent="y" * 10_000)
    for key in (SESSION + session.id, SESSIONS + "1"):
        assert await house.services.link.call("PTTL", key) > 0
    assert len((await sessions.of_user("1"))[0].agent) == 200


async def test_a_user_sees_and_ends_their_own_sessions_and_nobody_elses(house: House) -> None:
    user = await house.user({"role": "viewer"})
    laptop, phone = await house.browser(user=user), await house.browser(user=user)
    stranger = await house.browser({"role": "admin"})
    listed = (await laptop.get("/v1/sessions")).json()["items"]
    assert [session["is_current"] for session in listed].count(True) == 1
    [other] = [session["id"] for session in listed if not session["is_current"]]
    assert (await stranger.delete(f"/v1/sessions/{other}")).status_code == 404
    assert (await phone.get("/v1/me")).status_code == 200
    assert (await laptop.delete(f"/v1/sessions/{other}")).status_code == 204
    assert (await phone.get("/v1/me")).status_code == 401
    assert (await laptop.get("/v1/me")).status_code == 200
    assert len((await laptop.get("/v1/sessions")).json()["items"]) == 1


async def test_a_logout_ends_the_session_at_the_server(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    secret = browser.cookies["monarq_session"]
    answer = await browser.delete("/v1/sessions/current")
    assert answer.status_code == 204
    assert 'monarq_session=""' in answer.headers["set-cookie"]
    assert (await house.client(cookie=f"monarq_session={secret}").get("/v1/me")).status_code == 401


async def test_an_api_token_cannot_be_logged_out(house: House) -> None:
    program = await house.program({"role": "viewer"})
    assert (await program.delete("/v1/sessions/current")).status_code == 404
    assert (await program.get("/v1/me")).status_code == 200


async def test_a_role_that_is_taken_away_counts_at_once(house: House) -> None:
    user = await house.user({"role": "operator"})
    browser = await house.browser(user=user)
    assert (await browser.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 200
    await house.directory.change_user(user.id, grants=())
    assert (await browser.post("/v1/queues/mail/resume", json={})).status_code == 403
    await house.directory.change_user(user.id, is_active=False)
    assert (await browser.get("/v1/me")).status_code == 401


async def test_a_record_that_is_none_logs_nobody_in(house: House) -> None:
    sessions = sessions_of(house)
    secret, session = await sessions.begin("1", address="x", agent="y")
    for record in ("", "[]", "{}", "no json", '{"user_id": "1"}'):
        await house.services.link.call("SET", SESSION + session.id, record)
        assert await sessions.of(secret) is None


async def test_a_bearer_token_that_does_not_hold_is_not_mended_by_a_cookie(
    open_house: Callable[..., Any],
) -> None:
    house = await open_house()
    browser = await house.browser({"role": "admin"})
    for value in ("Bearer monarq_wrong", "Bearer ", "Basic YTpi", "Bearer"):
        assert (await browser.get("/v1/me", headers={"authorization": value})).status_code == 401
    assert (await browser.get("/v1/me")).status_code == 200
