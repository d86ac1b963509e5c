"""Emptying a queue: all that waits, nothing that runs, and only for who typed its name."""

from datetime import timedelta
from typing import Any

import pytest

from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import JOB, RESULT, queue_keys
from monarq.jobs.store.verbs import Claimed, claim
from monarq.producer.purging import Purged, purge

from .crowd import fill
from .house import House

PURGER = {"permissions": ["queues:read", "queues:purge"], "queues": ["mail*"]}
ORDER = {"confirm": "mail", "why": "sent twice"}
MINUTE = timedelta(minutes=1)


async def start(house: House, queue: str, number: int) -> list[Claimed]:
    """Let so many jobs run."""
    asked = claim([queue_keys(queue)], worker="w", nonce="n", limit=number, lease=MINUTE, ageing=MINUTE)
    return (await execute(house.services.link, asked)).jobs


async def test_what_waits_is_cancelled_and_what_runs_goes_on(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=250, scheduled=130)
    await fill(link, "mail", ready=20, priority=Priority.LOW)
    await fill(link, "mail.bulk", ready=3)
    running = await start(house, "mail", 5)
    program = await house.program(PURGER)
    answer = await program.post("/v1/queues/mail/purge", json=ORDER)
    assert (answer.status_code, answer.json()) == (200, {"cancelled": 395, "requested": 0, "left": 0})
    assert await link.call("EXISTS", *(JOB + job.job_id for job in running)) == 5
    assert await link.call("ZCARD", queue_keys("mail").running) == 5
    assert await link.call("ZCARD", queue_keys("mail.bulk").ranks[2]) == 3
    assert await link.call("HGET", queue_keys("mail").stats, "cancelled") == b"395"
    record = await link.call("GET", RESULT + "mail-normal-s7")
    assert b'"s":"cancelled"' in record
    assert b"sent twice" in record


async def test_jobs_of_a_paused_kind_are_cancelled_too(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=3)
    pauses = house.services.queues._pauses
    await pauses.pause("mail", kind="test.kind", why="x")
    assert await start(house, "mail", 5) == []
    assert await link.call("ZCARD", queue_keys("mail").parked("test.kind")) == 3
    program = await house.program(PURGER)
    answer = await program.post("/v1/queues/mail/purge", json=ORDER)
    assert answer.json() == {"cancelled": 3, "requested": 0, "left": 0}


async def test_durable_jobs_are_left_to_a_worker_and_hide_nothing_behind_them(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=150, durable=True)
    await fill(link, "mail", scheduled=150)
    program = await house.program(PURGER)
    answer = await program.post("/v1/queues/mail/purge", json=ORDER)
    assert answer.json() == {"cancelled": 150, "requested": 150, "left": 150}


async def test_a_purge_that_has_no_time_left_says_what_is_left(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=150)
    purged = Purged()
    await purge(link, queue_keys("mail"), purged, by="ann", why="x", seconds=0)
    assert purged == Purged(cancelled=0, requested=0, left=150)


@pytest.mark.parametrize("confirm", ["", "Mail", "mail ", "mail.bulk"])
async def test_who_has_not_typed_the_name_purges_nothing(house: House, confirm: str) -> None:
    await fill(house.services.link, "mail", ready=3)
    program = await house.program(PURGER)
    answer = await program.post("/v1/queues/mail/purge", json={**ORDER, "confirm": confirm})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/confirm")
    assert (await program.get("/v1/queues/mail")).json()["ready"] == 3


@pytest.mark.parametrize("grant", [{"role": "operator"}, {**PURGER, "kinds": ["email.*"]}])
async def test_who_may_not_purge_the_whole_queue_purges_nothing(house: House, grant: dict[str, Any]) -> None:
    await fill(house.services.link, "mail", ready=3)
    program = await house.program({"permissions": ["queues:read"]}, grant)
    assert (await program.post("/v1/queues/mail/purge", json=ORDER)).status_code == 403
    assert await house.services.link.call("ZCARD", queue_keys("mail").ranks[2]) == 3


async def test_a_queue_that_is_hidden_is_not_there_to_be_purged(house: House) -> None:
    program = await house.program(PURGER)
    body = {**ORDER, "confirm": "default"}
    assert (await program.post("/v1/queues/default/purge", json=body)).status_code == 404


async def test_a_purge_stands_in_the_audit_with_its_numbers(house: House) -> None:
    await fill(house.services.link, "mail", ready=3)
    user = await house.user(PURGER)
    browser = await house.browser(user=user)
    await browser.post("/v1/queues/mail/purge", json=ORDER)
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        [act] = await unit.audit.list(action="queue.purge")
    assert (act.actor, act.subject) == (user.name, "mail")
    assert (act.detail["why"], act.detail["cancelled"], act.detail["left"]) == ("sent twice", 3, 0)
