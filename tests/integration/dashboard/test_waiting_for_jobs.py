"""`/v1/jobs/{id}?wait=…`: who waits for the end of a job."""

import asyncio

import pytest

from monarq.dashboard.services import jobs
from tests.integration.worker.deadlines import eventually

from .house import House
from .one_job import enqueue, fail

OPERATOR = {"role": "operator"}


@pytest.fixture(autouse=True)
def _nobody_looks_by_himself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not woken waits for as long as was asked for."""
    monkeypatch.setattr(jobs, "_LOOK_AGAIN", 60.0)


async def test_who_waits_is_answered_as_soon_as_the_job_has_ended(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    waiting = asyncio.create_task(program.get(f"/v1/jobs/{job_id}?wait=30"))
    await _until_somebody_waits(house, job_id)
    await house.run_one(job_id, result=1)
    async with asyncio.timeout(20):
        answer = await waiting
    assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", 1)


async def test_waiting_ends_with_its_time_and_tells_how_it_stands(house: House) -> None:
    program = await house.program(OPERATOR)
    answer = await program.get(f"/v1/jobs/{await enqueue(house)}?wait=0.05")
    assert (answer.status_code, answer.json()["state"]) == (200, "ready")


async def test_nobody_waits_for_a_job_that_has_ended_or_longer_than_allowed(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await fail(house, job_id)
    async with asyncio.timeout(20):
        assert (await program.get(f"/v1/jobs/{job_id}?wait=30")).json()["state"] == "dead"
    for wait in ("31", "-1", "x"):
        assert (await program.get(f"/v1/jobs/{job_id}?wait={wait}")).status_code == 400


async def test_a_server_that_stops_answers_those_who_wait(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    waiting = asyncio.create_task(program.get(f"/v1/jobs/{job_id}?wait=30"))
    await _until_somebody_waits(house, job_id)
    house.services.let_go()
    async with asyncio.timeout(20):
        assert (await waiting).json()["state"] == "ready"


async def _until_somebody_waits(house: House, job_id: str) -> None:
    waiters = house.store.queue.waiters
    await eventually(lambda: house.services.link.call("HEXISTS", waiters, job_id))
