"""`/v1/stats`, `/v1/scaling` and the numbers of queues: one look at the stores for all who ask."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.schedule import Schedule
from tests.integration.worker.deadlines import eventually

from .crowd import fill, report
from .house import House

MAIL_ONLY = {"role": "viewer", "queues": ["mail"]}


async def calls_of(transport: Transport, command: str) -> int:
    """How often the server was asked this."""
    found = 0
    for line in (await transport.call("INFO", "commandstats")).decode().splitlines():
        if line.startswith(f"cmdstat_{command}:"):
            found = int(line.partition("calls=")[2].partition(",")[0])
    return found


async def test_a_queue_tells_its_numbers_by_priority_and_its_objective(open_house: Any) -> None:
    house = await open_house(objectives={"mail": 30})
    link = house.services.link
    await fill(link, "mail", ready=3, scheduled=2)
    await fill(link, "mail", ready=1, priority=Priority.HIGH)
    await report(link, "web-1", busy=4)
    program = await house.program({"role": "viewer"})
    told = (await program.get("/v1/queues/mail")).json()
    assert (told["ready"], told["scheduled"], told["waiting"], told["retrying"]) == (4, 2, 2, 0)
    priorities = {one["priority"]: (one["ready"], one["scheduled"]) for one in told["priorities"]}
    assert priorities == {"critical": (0, 0), "high": (1, 0), "normal": (3, 2), "low": (0, 0)}
    assert 0 <= told["oldest_ready_seconds"] < 20
    assert (told["objective_seconds"], told["is_late"]) == (30, False)
    assert (told["workers"], told["slots"], told["busy"]) == (1, 10, 4)
    other = (await program.get("/v1/queues/default")).json()
    assert (other["objective_seconds"], other["oldest_ready_seconds"], other["workers"]) == (60, None, 0)


async def test_twenty_who_ask_at_once_cost_one_look(house: House) -> None:
    program = await house.program({"role": "viewer"})
    assert (await program.get("/v1/stats")).status_code == 200
    link = house.services.link
    before, began = await calls_of(link, "smembers"), time.monotonic()
    paths = ["/v1/stats", "/v1/queues", "/v1/workers", "/v1/scaling?queue=mail"] * 5
    answers = await asyncio.gather(*(program.get(path) for path in paths))
    assert {answer.status_code for answer in answers} == {200}
    looks = await calls_of(link, "smembers") - before
    assert looks <= 2 + (time.monotonic() - began), "at most one look for each second that this took"


async def test_stats_add_up_what_the_caller_may_see_and_nothing_else(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=3)
    await fill(link, "default", ready=5)
    await report(link, "web-1", queues={"mail": 0})
    await report(link, "web-2", queues={"default": 0})
    whole = (await (await house.program({"role": "viewer"})).get("/v1/stats")).json()
    part = (await (await house.program(MAIL_ONLY)).get("/v1/stats")).json()
    assert (whole["totals"]["queues"], whole["totals"]["ready"], whole["workers"]["live"]) == (3, 8, 2)
    assert (part["totals"]["queues"], part["totals"]["ready"], part["workers"]["live"]) == (1, 3, 1)
    assert whole["memory"]["used_bytes"] > 0
    assert (part["memory"], part["outbox"]) == (None, None)
    assert whole["stores"] == {"redis": "ok", "postgres": "ok"}


async def test_what_is_wrong_is_told_with_what_to_do(house: House) -> None:
    await fill(house.services.link, "mail", ready=142)
    program = await house.program({"role": "viewer"})
    [verdict] = (await program.get("/v1/stats")).json()["verdicts"]
    assert (verdict["alert"], verdict["level"], verdict["queue"]) == ("QueueNoWorkers", "page", "mail")
    assert verdict["sentence"] == "142 ready, no worker listens on mail"
    assert verdict["command"] == "monarq worker --queues mail"
    hidden = await house.program({"role": "viewer", "queues": ["default"]})
    assert (await hidden.get("/v1/stats")).json()["verdicts"] == []


async def test_a_kind_that_fails_too_often_is_told_to_those_who_see_it(house: House) -> None:
    told = {"queue": "mail", "kind": "email.send", "ended": 100, "failed": 50, "of_a_later_release": 1}
    late = {"queue": "mail", "number": 40, "in_time": 20, "number_lately": 40, "in_time_lately": 20}
    await report(house.services.link, "web-1", attempts=[told], starts=[late])

    async def alerts(grant: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
        found = (await (await house.program(grant)).get("/v1/stats")).json()["verdicts"]
        return [(one["alert"], one["queue"], one["kind"]) for one in found]

    burns = ("QueueWaitBudgetBurn", "mail", None)
    assert await alerts(MAIL_ONLY) == [burns, ("JobFailureRatioHigh", None, "email.send")]
    assert await alerts({"permissions": ["queues:read"]}) == [burns]
    assert await alerts({"role": "viewer", "queues": ["default"]}) == []
    page = await (await house.browser({"role": "viewer"})).get("/")
    assert 'href="/kinds/email.send">email.send: 50% of 100 attempts' in page.text


async def test_a_schedule_that_no_worker_serves_any_more_is_overdue(house: House) -> None:
    due = datetime.now(UTC) - timedelta(hours=1)
    told = {"queue": "mail", "name": "digest", "kind": "digest", "times": "09:30", "timezone": "UTC"}
    told |= {"is_unique": True, "next_due_at": due, "last_due_at": None, "last_job_id": None}
    assert house.services.database is not None
    schedule = Schedule(**told)  # type: ignore[arg-type]
    await house.services.database.transact(lambda unit: unit.schedules.put([schedule], "gone"))
    [verdict] = (await (await house.program(MAIL_ONLY)).get("/v1/stats")).json()["verdicts"]
    assert (verdict["alert"], verdict["queue"]) == ("ScheduleMissed", "mail")
    hidden = await house.program({"role": "viewer", "queues": ["default"]})
    assert (await hidden.get("/v1/stats")).json()["verdicts"] == []


async def test_who_may_not_see_workers_sees_the_queues_all_the_same(house: House) -> None:
    await report(house.services.link, "web-1")
    program = await house.program({"permissions": ["queues:read"]})
    told = (await program.get("/v1/stats")).json()
    assert (told["totals"]["queues"], told["workers"]["live"], told["workers"]["versions"]) == (3, 0, [])


async def bury_in_postgresql(house: House, number: int) -> None:
    """Let there be so many dead letters of `mail`."""
    assert house.services.database is not None
    async with house.services.database.connection() as connection:
        await connection.execute(
            "INSERT INTO monarq.dead_letters (job_id, died_at, queue, queue_entry, rank, fingerprint, starts,"
            " body, attempts, searchable, moved_at) SELECT n::text, now(), 'mail', 'mail', 2,"
            " '0123456789abcdef', 1, '', '{}', '', now() FROM generate_series(1, $1) AS n",
            number,
        )


async def test_dead_letters_in_postgresql_count_too(house: House) -> None:
    await bury_in_postgresql(house, 7)
    await house.services.link.call("ZADD", queue_keys("mail").dead, 1, "x")
    program = await house.program({"role": "viewer"})
    assert (await program.get("/v1/queues/mail")).json()["dead"] == 8


async def test_letters_that_move_to_postgresql_are_never_lost_from_sight_for_long(house: House) -> None:
    link, dead = house.services.link, queue_keys("mail").dead
    await link.call("ZADD", dead, *(part for n in range(7) for part in (1, f"x{n}")))
    program = await house.program({"role": "viewer"})

    async def seen() -> int:
        return int((await program.get("/v1/queues/mail")).json()["dead"])

    assert await seen() == 7
    await bury_in_postgresql(house, 7)
    await link.call("DEL", dead)

    async def are_seen() -> bool:
        return await seen() == 7

    async def have_left_redis() -> bool:
        numbers = (await house.services.ground.snapshots.take()).fleet.queues["mail"]
        return numbers.dead == 0

    await eventually(have_left_redis)
    await eventually(are_seen)


async def test_a_pause_shows_at_once_however_fresh_the_look_was(house: House) -> None:
    program = await house.program({"role": "operator"})
    for number in range(3):
        await program.post("/v1/queues/mail/pause", json={"why": f"reason {number}"})
        [pause] = (await program.get("/v1/queues/mail")).json()["pauses"]
        assert pause["why"] == f"reason {number}"
        await program.post("/v1/queues/mail/resume", json={})
        assert (await program.get("/v1/queues/mail")).json()["pauses"] == []


async def test_a_queue_is_found_as_soon_as_it_exists(house: House) -> None:
    program = await house.program({"role": "viewer"})
    assert (await program.get("/v1/queues/new")).status_code == 404
    await fill(house.services.link, "new", ready=2)
    assert (await program.get("/v1/queues/new")).json()["ready"] == 2


async def test_a_look_costs_the_same_however_many_jobs_wait(house: House) -> None:
    link = house.services.link

    async def cost() -> int:
        await link.call("CONFIG", "RESETSTAT")
        await house.services.ground.snapshots.watch.take()
        stats = (await link.call("INFO", "commandstats")).decode().splitlines()
        return sum(int(line.partition("calls=")[2].partition(",")[0]) for line in stats if "calls=" in line)

    await fill(link, "mail", ready=1, scheduled=1)
    await cost()  # it teaches the server the script
    few = await cost()
    await fill(link, "mail", ready=3_000, scheduled=3_000)
    assert await cost() == few


async def test_lists_of_queues_go_on_where_a_page_ended(house: House) -> None:
    program = await house.program({"role": "viewer"})
    first = await program.get("/v1/queues?limit=2")
    assert [queue["queue"] for queue in first.json()["items"]] == ["default", "mail"]
    assert 'rel="next"' in first.headers["link"]
    rest = (await program.get("/v1/queues", params={"cursor": first.json()["next"]})).json()
    assert ([queue["queue"] for queue in rest["items"]], rest["next"]) == (["mail.bulk"], None)


@pytest.mark.parametrize(
    ("workers", "slots", "wanted"), [(0, 100, 3), (1, 10, 25), (2, 50, 5)], ids=["none", "small", "large"]
)
async def test_scaling_tells_how_many_workers_a_queue_wants(
    house: House, workers: int, slots: int, wanted: int
) -> None:
    link = house.services.link
    await fill(link, "mail", ready=250, scheduled=9)
    for number in range(workers):
        await report(link, f"web-{number}", slots=slots)
    program = await house.program(MAIL_ONLY)
    told = (await program.get("/v1/scaling?queue=mail")).json()
    assert (told["ready"], told["running"], told["due_60s"]) == (250, 0, 0)
    assert (told["workers"], told["slots_per_worker"], told["desired_workers"]) == (workers, slots, wanted)
    assert told["seconds_to_drain"] is None
    assert told["oldest_age"] >= 0
    assert (await program.get("/v1/scaling?queue=default")).status_code == 404
    assert (await program.get("/v1/scaling")).status_code == 400
