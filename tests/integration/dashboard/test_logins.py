"""Logging in: by password, by a link, and never by trying."""

import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import pytest

from monarq.dashboard.auth.passwords import Passwords, hash_password
from monarq.jobs.store.keys import LOGIN, SESSION

from .house import PASSWORD, House


async def log_in(house: House, name: str, password: str, **options: Any) -> Any:
    return await house.client(**options).post("/v1/sessions", json={"name": name, "password": password})


async def test_a_login_sets_a_cookie_that_scripts_cannot_read(house: House) -> None:
    user = await house.user({"role": "viewer"})
    answer = await log_in(house, user.name, PASSWORD)
    assert answer.status_code == 201
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("monarq_session=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax"}
    secret = name.partition("=")[2]
    assert len(secret) >= 43
    assert secret not in answer.text


async def test_with_tls_the_cookie_is_of_this_host_alone(house: House) -> None:
    user = await house.user({"role": "viewer"})
    answer = await log_in(house, user.name, PASSWORD, base="https://ops.example.com")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("__Host-monarq_session=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=lax", "Secure"}


async def test_the_plain_cookie_counts_over_loopback_only(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    secret = browser.cookies["monarq_session"]
    for base in ("https://ops.example.com", "http://ops.example.com"):
        other = house.client(base=base, cookie=f"monarq_session={secret}")
        assert (await other.get("/v1/me")).status_code == 401


async def test_what_redis_holds_of_a_session_is_of_no_use(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    keys = await house.services.link.call("KEYS", "monarq:session:*")
    for stolen in (keys[0].decode(), keys[0].decode().removeprefix(SESSION)):
        assert (await house.client(cookie=f"monarq_session={stolen}").get("/v1/me")).status_code == 401
    assert browser.cookies["monarq_session"].encode() not in b"".join(keys)


async def test_every_wrong_login_is_answered_alike(house: House) -> None:
    user, disabled = await house.user({"role": "viewer"}), await house.user({"role": "viewer"})
    bare = await house.user({"role": "viewer"})
    await house.directory.change_user(disabled.id, is_active=False)
    await house.services.database.transact(  # type: ignore[union-attr]
        lambda unit: unit.connection.execute(
            "UPDATE monarq.users SET password_hash = NULL WHERE id = $1", bare.id
        )
    )
    told = []
    for name, password in (
        (user.name, "wrong password"),
        ("nobody", PASSWORD),
        (disabled.name, PASSWORD),
        (bare.name, PASSWORD),
        (user.name, PASSWORD + " "),
        (user.name, ""),
    ):
        answer = await log_in(house, name, password)
        assert "set-cookie" not in answer.headers
        told.append((answer.status_code, {**answer.json(), "request_id": ""}))
    assert told == [told[0]] * len(told)
    assert told[0][0] == 401


async def test_names_do_not_differ_by_case(house: House) -> None:
    await house.user({"role": "viewer"}, name="Ann@example.com")
    assert (await log_in(house, "ann@EXAMPLE.com", PASSWORD)).status_code == 201


async def test_an_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    """Both do the whole work of the hash; the medians differ by far less than that work takes."""
    passwords, known = Passwords(), hash_password(PASSWORD)
    times: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(30):
        is_known = turn % 2 == 0
        began = time.perf_counter()
        assert not await passwords.is_right(known if is_known else None, "wrong password")
        times[is_known].append(time.perf_counter() - began)
    quickest = {is_known: min(taken) for is_known, taken in times.items()}
    assert abs(quickest[True] - quickest[False]) < 0.5 * statistics.mean(quickest.values())


async def test_the_event_loop_goes_on_while_passwords_are_hashed() -> None:
    passwords, ticks = Passwords(), 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await passwords.is_right(None, "x" * 12)
    ticking.cancel()
    assert ticks > 10


async def test_a_login_ends_the_session_that_the_browser_had(house: House) -> None:
    user = await house.user({"role": "viewer"})
    browser = await house.browser(user=user)
    old = browser.cookies["monarq_session"]
    assert (
        await browser.post("/v1/sessions", json={"name": user.name, "password": PASSWORD})
    ).status_code == 201
    assert browser.cookies["monarq_session"] != old
    assert (await house.client(cookie=f"monarq_session={old}").get("/v1/me")).status_code == 401


async def test_a_session_that_the_browser_brings_is_never_taken_over(house: House) -> None:
    planted = "x" * 43
    user = await house.user({"role": "viewer"})
    client = house.client(sec_fetch_site="same-origin", cookie=f"monarq_session={planted}")
    answer = await client.post("/v1/sessions", json={"name": user.name, "password": PASSWORD})
    assert planted not in answer.headers["set-cookie"]
    assert (await house.client(cookie=f"monarq_session={planted}").get("/v1/me")).status_code == 401


async def test_trying_an_account_from_many_addresses_is_refused_after_some(
    open_house: Callable[..., Any],
) -> None:
    house = await open_house(logins_per_minute=3)
    user = await house.user({"role": "viewer"})
    codes = []
    for number in range(5):
        name = user.name.upper() if number % 2 else user.name
        codes.append((await log_in(house, name, "wrong password", address=f"192.0.2.{number}")).status_code)
    assert codes == [401, 401, 401, 429, 429]
    # the right password does not get through either, and says no more
    answer = await log_in(house, user.name, PASSWORD, address="192.0.2.99")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    other = await house.user({"role": "viewer"})
    assert (await log_in(house, other.name, PASSWORD, address="192.0.2.99")).status_code == 201


async def test_trying_many_accounts_from_one_address_is_refused_after_some(
    open_house: Callable[..., Any],
) -> None:
    house = await open_house(logins_per_minute=2)
    codes = [(await log_in(house, f"name-{number}", "wrong password")).status_code for number in range(8)]
    assert codes == [401] * 6 + [429] * 2


async def test_a_whole_ipv6_network_counts_as_one_address(open_house: Callable[..., Any]) -> None:
    house = await open_house(logins_per_minute=1)
    codes = [
        (await log_in(house, f"name-{number}", "wrong password", address=f"2001:db8::{number}")).status_code
        for number in range(5)
    ]
    assert codes == [401] * 3 + [429] * 2


async def test_logins_that_come_at_once_are_counted_all(open_house: Callable[..., Any]) -> None:
    house = await open_house(logins_per_minute=4)
    answers = await asyncio.gather(*(log_in(house, "nobody", "wrong password") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [401] * 4 + [429] * 6


async def test_a_link_logs_in_once_and_only_by_a_click(house: House) -> None:
    user = await house.user({"role": "viewer"})
    secret = await house.services.logins._sessions.offer_login(user.id)
    browser = house.client(sec_fetch_site="none")
    for _ in range(2):
        page = await browser.get(f"/login/{secret}")
        assert page.status_code == 200
        assert f'action="/login/{secret}"' in page.text
        assert "set-cookie" not in page.headers
    browser.headers["sec-fetch-site"] = "same-origin"
    answer = await browser.post(f"/login/{secret}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await browser.get("/v1/me")).json()["name"] == user.name
    assert (await house.client().post(f"/login/{secret}")).status_code == 401


async def test_a_link_ends_with_its_time(house: House) -> None:
    user = await house.user({"role": "viewer"})
    secret = await house.services.logins._sessions.offer_login(user.id)
    [key] = await house.services.link.call("KEYS", f"{LOGIN}*")
    assert secret.encode() not in key
    assert 0 < await house.services.link.call("PTTL", key) <= 300_000


async def test_a_link_of_a_disabled_user_logs_nobody_in(house: House) -> None:
    user = await house.user({"role": "viewer"})
    secret = await house.services.logins._sessions.offer_login(user.id)
    await house.directory.change_user(user.id, is_active=False)
    assert (await house.client().post(f"/login/{secret}")).status_code == 401


@pytest.mark.parametrize(
    "body", [{"name": "x"}, {"name": "x", "password": "y", "role": "admin"}, [], {"name": 1}]
)
async def test_a_login_that_is_none_is_refused_and_repeats_no_password(house: House, body: Any) -> None:
    answer = await house.client().post("/v1/sessions", json=body)
    assert answer.status_code == 422
    long = await log_in(house, "x", "hunter2" * 100)
    assert long.status_code == 422
    assert "hunter2" not in long.text


async def test_a_user_changes_their_own_password_and_other_browsers_are_out(house: House) -> None:
    user = await house.user({"role": "viewer"})
    mine, other = await house.browser(user=user), await house.browser(user=user)
    change = {"old_password": PASSWORD, "new_password": "another long password"}
    assert (await mine.put("/v1/me/password", json=change)).status_code == 204
    assert (await mine.get("/v1/me")).status_code == 200
    assert (await other.get("/v1/me")).status_code == 401
    assert (await log_in(house, user.name, PASSWORD)).status_code == 401
    assert (await log_in(house, user.name, "another long password")).status_code == 201


async def test_a_password_is_not_changed_without_the_old_one_nor_by_a_program(
    open_house: Callable[..., Any],
) -> None:
    house = await open_house(logins_per_minute=3)
    user = await house.user({"role": "admin"})
    browser = await house.browser(user=user)
    secret, _ = await house.token({"role": "admin"}, owner=user)
    wrong = {"old_password": "wrong password", "new_password": "another long password"}
    short = {"old_password": PASSWORD, "new_password": "short"}
    codes = [
        (await browser.put("/v1/me/password", json=body)).status_code for body in (short, wrong, wrong, wrong)
    ]
    assert codes == [422, 401, 401, 429]
    program = house.client(authorization=f"Bearer {secret}")
    right = wrong | {"old_password": PASSWORD}
    assert (await program.put("/v1/me/password", json=right)).status_code == 403
    assert (await browser.get("/v1/me")).status_code == 200
