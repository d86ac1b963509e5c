"""Redis or PostgreSQL is away: what can be known is shown, to those who were known; nobody new gets in."""

from typing import Any

import pytest

from monarq.jobs.errors import StoreError
from tests.integration.worker.deadlines import eventually
from tests.postgres import PostgresServer
from tests.servers import ValkeyServer

from .crowd import fill
from .house import PASSWORD, House
from .shelf import Shelf


async def browser_is_back(browser: Any) -> bool:
    answer = await browser.get("/v1/queues")
    return answer.status_code == 200


async def test_while_postgresql_is_away_who_was_known_may_look(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, _, postgres = stage
    browser, program = await house.browser({"role": "admin"}), await house.program({"role": "admin"})
    stranger = await house.program({"role": "admin"})
    user = await house.user({"role": "viewer"})
    for client in (browser, program):
        assert (await client.get("/v1/queues")).status_code == 200
    postgres.kill()
    for client in (browser, program):
        assert [queue["queue"] for queue in (await client.get("/v1/queues")).json()["items"]] == [
            "default",
            "mail",
        ]
        refused = await client.post("/v1/queues/mail/pause", json={"why": "x"})
        assert refused.status_code == 403
    assert (await stranger.get("/v1/queues")).status_code == 503
    login = await house.client().post("/v1/sessions", json={"name": user.name, "password": PASSWORD})
    assert login.status_code == 503
    assert "retry-after" in login.headers
    assert str(postgres.port) not in login.text
    ready = await house.client().get("/readyz")
    assert (ready.status_code, ready.json()["checks"]["redis"]) == (503, "ok")
    assert ready.json()["checks"]["postgres"] != "ok"
    assert (await house.client().get("/livez")).status_code == 200


async def test_while_redis_is_away_nobody_logs_in_and_the_dashboard_lives(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, valkey, _ = stage
    browser, program = await house.browser({"role": "admin"}), await house.program({"role": "admin"})
    user = await house.user({"role": "viewer"})
    for client in (browser, program):
        assert (await client.get("/v1/users")).status_code == 200
    valkey.kill()
    for client in (browser, program):
        # who they are is remembered, and PostgreSQL knows the rest
        assert (await client.get("/v1/users")).status_code == 200
        assert (await client.get("/v1/queues")).status_code == 503
    assert (await browser.post("/v1/users", json={"name": "ben"})).status_code == 403
    login = await house.client().post("/v1/sessions", json={"name": user.name, "password": PASSWORD})
    assert login.status_code == 503
    assert (await house.client(cookie="monarq_session=other").get("/v1/me")).status_code == 503
    assert (await house.client().get("/livez")).status_code == 200
    assert (await house.client().get("/readyz")).status_code == 503
    valkey.start()

    async def is_ready() -> bool:
        return (await house.client().get("/readyz")).status_code == 200

    await eventually(is_ready)
    await eventually(lambda: browser_is_back(browser))


async def test_while_redis_is_away_what_was_seen_last_is_shown_with_its_age(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, valkey, _ = stage
    await fill(house.services.link, "mail", ready=7)
    browser = await house.browser({"role": "admin"})
    for path in ("/", "/queues", "/queues/mail", "/workers", "/failures"):
        assert (await browser.get(path)).status_code == 200
    valkey.kill()

    async def says_so() -> bool:
        return bool((await browser.get("/v1/stats")).json()["stores"]["redis"] == "store_unavailable")

    await eventually(says_so)
    assert (await browser.get("/v1/stats")).json()["totals"]["ready"] == 7
    queue = (await browser.get("/v1/queues/mail")).json()
    assert (queue["ready"], queue["is_stale"]) == (7, True)
    for path in ("/", "/queues", "/queues/mail"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        told = answer.text.index("Redis does not answer: these are the last numbers that were seen, ")
        assert told < answer.text.index("<table"), "before the numbers"
    for path in ("/failures", "/kinds", "/settings"):
        assert (await browser.get(path)).status_code == 200, path
    operations = await browser.get("/operations")
    assert (operations.status_code, "may have happened" in operations.text) == (503, False)
    assert "Redis does not answer; ask again in a moment" in operations.text
    valkey.start()

    async def is_over() -> bool:
        return bool((await browser.get("/v1/stats")).json()["stores"]["redis"] == "ok")

    await eventually(is_over)


async def test_while_postgresql_is_away_live_queues_are_shown_and_it_is_said_what_lacks(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, _, postgres = stage
    await fill(house.services.link, "mail", ready=7)
    browser = await house.browser({"role": "admin"})
    assert (await browser.get("/")).status_code == 200
    postgres.kill()
    house.services.ground.snapshots._recount()  # as if its numbers were old

    async def says_so() -> bool:
        told = (await browser.get("/v1/stats")).json()
        return bool(told["totals"]["ready"] == 7 and told["stores"]["postgres"] != "ok")

    await eventually(says_so)
    for path in ("/", "/queues", "/queues/mail"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert "PostgreSQL does not answer: dead letters that lie there are not counted." in answer.text
    account = await browser.get("/settings")
    assert (account.status_code, "New password" in account.text) == (200, False), "nobody could keep one"


async def test_a_list_of_jobs_tells_what_can_be_known(
    stage: tuple[House, ValkeyServer, PostgresServer],
) -> None:
    house, valkey, postgres = stage
    shelf = Shelf(house.services.link, str(house.settings.database_url.get_secret_value()))  # type: ignore[union-attr]
    await shelf.wait("waits")
    await shelf.end({"job_id": "ended"})
    program = await house.program({"role": "admin"})

    async def look() -> tuple[list[str], list[str]]:
        answer = await program.get("/v1/jobs?count=capped")
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["count"]["is_capped"] == bool(page["notes"])
        return [job["id"] for job in page["items"]], [note["code"] for note in page["notes"]]

    assert await look() == (["waits", "ended"], [])
    valkey.kill()
    assert await look() == (["ended"], ["live_unavailable"])
    valkey.start()
    await eventually(lambda: _is_back(house))
    postgres.kill()
    assert await look() == (["waits"], ["history_unavailable"])
    valkey.kill()
    assert (await program.get("/v1/jobs")).status_code == 503


async def _is_back(house: House) -> bool:
    try:
        await house.services.link.call("PING")
    except StoreError:
        return False
    return True


async def test_who_is_remembered_is_forgotten_in_time(
    stage: tuple[House, ValkeyServer, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    house, _, postgres = stage
    program = await house.program({"role": "admin"})
    assert (await program.get("/v1/queues")).status_code == 200
    postgres.kill()
    assert (await program.get("/v1/queues")).status_code == 200
    monkeypatch.setattr("monarq.dashboard.auth.authenticator._REMEMBERED", -1.0)
    assert (await program.get("/v1/queues")).status_code == 503
