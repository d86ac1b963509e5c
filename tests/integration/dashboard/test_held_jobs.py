"""Jobs that an app has committed, and that no relay has sent to Redis yet: they are there, as far as that."""

import asyncio
import time
from typing import Any

import pytest

from monarq.dashboard.services import jobs
from monarq.jobs.store.postgres.database import Database
from monarq.producer.producer import Producer
from monarq.producer.relay import Relay
from tests.integration.worker.deadlines import eventually

from .house import House

ADMIN = {"role": "admin"}
INSERT = "INSERT INTO monarq.outbox (job_id, queue, kind, head, due_at, set_aside_at, reason)"


@pytest.fixture
def database(house: House) -> Database:
    assert house.services.database is not None
    return house.services.database


@pytest.fixture
async def job_id(house: House) -> str:
    """A durable job in the outbox."""
    async with Producer(house.settings) as producer:
        handle = await producer.enqueue(house.kinds["audit.keep"].of("the books"))
    return str(handle.job_id)


async def test_a_job_that_no_relay_has_sent_is_told_as_scheduled_and_that_it_is_on_its_way(
    house: House, job_id: str
) -> None:
    program = await house.program(ADMIN)
    job = (await program.get(f"/v1/jobs/{job_id}")).json()
    assert (job["state"], job["outbox"], job["durable"]) == ("scheduled", "waiting", True)
    assert (job["queue"], job["kind"], job["args"]) == ("default", "audit.keep", {"what": "the books"})
    assert job["due_at"] == job["enqueued_at"] is not None
    why = (await program.get(f"/v1/jobs/{job_id}/why")).json()
    assert (why["state"], why["reason"], why["facts"]["queue"]) == ("scheduled", "relaying", "default")
    page = await (await house.browser(ADMIN)).get(f"/jobs/{job_id}")
    assert (page.status_code, why["sentence"] in page.text) == (200, True)
    assert "Run now" not in page.text
    viewer = await house.program({"role": "viewer"})
    assert (await viewer.get(f"/v1/jobs/{job_id}")).json()["args"] is None
    hidden = await house.program({**ADMIN, "queues": ["mail"]})
    assert (await hidden.get(f"/v1/jobs/{job_id}")).status_code == 404


async def test_a_job_that_is_not_in_redis_yet_cannot_be_steered(house: House, job_id: str) -> None:
    program = await house.program(ADMIN)
    for verb, body in (("retry", {}), ("cancel", {}), ("reschedule", {"delay": 0})):
        answer = await program.post(f"/v1/jobs/{job_id}/{verb}", json=body)
        assert (answer.status_code, answer.json()["state"]) == (409, "scheduled")
        assert "outbox" in answer.json()["detail"]


async def test_who_waits_for_a_job_in_the_outbox_is_answered_when_it_has_ended(
    house: House, job_id: str, database: Database
) -> None:
    program = await house.program(ADMIN)
    looks, began = 0, time.monotonic()
    look = house.services.jobs._held

    async def counted(asked: str) -> Any:
        nonlocal looks
        looks += 1
        return await look(asked)

    house.services.jobs._held = counted  # type: ignore[method-assign]
    waiting = asyncio.create_task(program.get(f"/v1/jobs/{job_id}?wait=30"))
    await eventually(lambda: looks)
    await Relay(database, house.services.link, house.settings).carry()
    await house.run_one(job_id, queue="default", result="kept")
    async with asyncio.timeout(20):
        answer = (await waiting).json()
    most = 3 + (time.monotonic() - began) / jobs._RELAYED_WITHIN
    assert (answer["state"], answer["result"]) == ("succeeded", "kept")
    assert looks <= most, "it looks now and then, and not all the time"


async def test_a_job_that_a_relay_sends_between_two_looks_is_found_all_the_same(
    house: House, job_id: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, look = Relay(database, house.services.link, house.settings), house.services.jobs._held

    async def too_late(asked: str) -> Any:
        await relay.carry()
        return await look(asked)

    monkeypatch.setattr(house.services.jobs, "_held", too_late)
    job = (await (await house.program(ADMIN)).get(f"/v1/jobs/{job_id}")).json()
    assert (job["state"], job["outbox"]) == ("ready", None)


@pytest.mark.parametrize("due_at", ["NULL", "'infinity'", "'200000-01-01'"])
async def test_a_row_that_cannot_be_sent_is_told_with_its_reason_to_those_who_see_payloads(
    house: House, database: Database, due_at: str
) -> None:
    async with database.connection() as connection:
        values = f"VALUES ('bad', 'mail', 'mail.send', 'bad', {due_at}, now(), 'no envelope of ours')"
        await connection.execute(f"{INSERT} {values}")
    program, viewer = await house.program(ADMIN), await house.program({"role": "viewer"})
    job = (await program.get("/v1/jobs/bad")).json()
    assert (job["state"], job["outbox"], job["kind"], job["args"]) == (
        "scheduled",
        "set_aside",
        "mail.send",
        None,
    )
    told, hidden = [(await one.get("/v1/jobs/bad/why")).json() for one in (program, viewer)]
    assert told["reason"] == hidden["reason"] == "set_aside"
    assert ("no envelope of ours" in told["sentence"], "no envelope" in hidden["sentence"]) == (True, False)
