"""`/v1/workers`: who works, and as much of it as may be seen."""

from dataclasses import replace
from typing import Any

import pytest

from monarq.jobs.store.keys import ORDER
from monarq.jobs.store.orders import read_order

from .crowd import report
from .house import House

RUN = {"job_id": "1", "queue": "mail", "kind": "email.send", "attempt": 1, "age_ms": 1_500}
HIDDEN_RUN = {**RUN, "job_id": "2", "queue": "secret"}
CRON = {
    "queue": "mail",
    "name": "digest",
    "kind": "digest",
    "times": "09:00",
    "timezone": "UTC",
    "next_due_at": "2030-01-01T09:00:00+00:00",
    "last_due_at": None,
}


async def told_of(client: Any, name: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/workers/{name}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def names(client: Any) -> list[str]:
    return [worker["worker"] for worker in (await client.get("/v1/workers")).json()["items"]]


async def test_a_worker_tells_what_it_runs_and_how_it_is(house: House) -> None:
    facts = {"rss_bytes": 5_000_000, "loop_lag_ms": 20, "up_ms": 60_000, "busy": 1}
    await report(house.services.link, "web-1", ago=3, runs=[RUN], cron=[CRON], **facts)
    told = await told_of(await house.program({"role": "viewer"}), "web-1")
    assert (told["state"], told["host"], told["slots"], told["busy"]) == ("live", "web", 10, 1)
    assert (told["rss_bytes"], told["loop_lag_seconds"], told["up_seconds"]) == (5_000_000, 0.02, 60)
    assert 2 < told["report_age_seconds"] < 13
    [run], [cron] = told["jobs"], told["cron"]
    assert (run["job_id"], run["kind"], run["age_seconds"]) == ("1", "email.send", 1.5)
    assert (cron["name"], cron["next_due_at"]) == ("digest", "2030-01-01T09:00:00Z")


async def test_a_worker_that_does_not_report_is_stale_and_serves_nothing(house: House) -> None:
    link = house.services.link
    await report(link, "gone", ago=30)
    await report(link, "stops", stopping=True)
    program = await house.program({"role": "viewer"})
    states = {w["worker"]: w["state"] for w in (await program.get("/v1/workers")).json()["items"]}
    assert states == {"gone": "stale", "stops": "draining"}
    assert (await program.get("/v1/queues/mail")).json()["workers"] == 0


async def test_live_workers_of_several_versions_are_told(house: House) -> None:
    link = house.services.link
    await report(link, "a", version="1")
    await report(link, "b", version="2")
    await report(link, "c", version="3", stopping=True)
    program = await house.program({"role": "viewer"})
    skewed = {w["worker"]: w["is_skewed"] for w in (await program.get("/v1/workers")).json()["items"]}
    assert skewed == {"a": True, "b": True, "c": False}
    stats = (await program.get("/v1/stats")).json()
    assert stats["workers"]["versions"] == ["1", "2"]
    assert [verdict["alert"] for verdict in stats["verdicts"]] == ["VersionSkew"]


async def test_of_a_worker_only_what_may_be_seen_is_told(house: House) -> None:
    link = house.services.link
    await report(link, "both", queues={"mail": 0, "secret": 0}, runs=[RUN, HIDDEN_RUN], cron=[CRON])
    await report(link, "other", queues={"secret": 0}, runs=[HIDDEN_RUN])
    program = await house.program({"role": "viewer", "queues": ["mail"]})
    assert await names(program) == ["both"]
    told = await told_of(program, "both")
    assert (told["queues"], [run["job_id"] for run in told["jobs"]]) == ({"mail": 0}, ["1"])
    assert "secret" not in (await program.get("/v1/workers")).text
    assert (await program.get("/v1/workers/other")).status_code == 404
    assert (await program.get("/v1/workers/none")).status_code == 404


async def test_a_grant_for_some_kinds_shows_no_worker(house: House) -> None:
    await report(house.services.link, "web-1", runs=[RUN])
    program = await house.program({"role": "viewer", "kinds": ["email.*"]})
    assert await names(program) == []


async def test_a_worker_is_told_to_drain_and_it_stands_in_the_audit(house: House) -> None:
    link = house.services.link
    await report(link, "web-1")
    user = await house.user({"role": "admin"})
    browser = await house.browser(user=user)
    answer = await browser.post("/v1/workers/web-1/drain", json={"why": "the host is replaced"})
    assert (answer.status_code, answer.json()) == (202, {"worker": "web-1", "told": True})
    order = read_order(await link.call("GET", ORDER + "web-1"))
    assert order is not None
    assert (order.by, order.why) == (user.name, "the host is replaced")
    assert 0 < await link.call("PTTL", ORDER + "web-1") <= 120_000
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        [act] = await unit.audit.list(action="worker.drain")
    assert (act.actor, act.subject, act.detail["why"]) == (user.name, "web-1", "the host is replaced")


async def test_one_look_says_which_worker_is_told_to_drain_though_it_goes_then(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await report(house.services.link, "web-1")
    admin = await house.program({"role": "admin"})
    assert await names(admin) == ["web-1"]
    snapshots = house.services.ground.snapshots
    seen = [await snapshots.take()]
    gone = [replace(seen[0], fleet=replace(seen[0].fleet, workers=[]))]

    async def take() -> Any:
        return (seen or gone).pop()

    monkeypatch.setattr(snapshots, "take", take)
    answer = await admin.post("/v1/workers/web-1/drain", json={"why": "x"})
    assert (answer.status_code, answer.json()["told"]) == (202, True)


async def test_who_may_not_drain_all_of_its_queues_may_not_drain_a_worker(house: House) -> None:
    await report(house.services.link, "both", queues={"mail": 0, "secret": 0})
    drains = {"permissions": ["workers:read", "workers:drain"], "queues": ["mail"]}
    program = await house.program(drains)
    assert await names(program) == ["both"]
    assert (await program.post("/v1/workers/both/drain", json={"why": "x"})).status_code == 403
    assert (await program.post("/v1/workers/none/drain", json={"why": "x"})).status_code == 404
    assert await house.services.link.call("EXISTS", ORDER + "both") == 0
    await report(house.services.link, "mine")
    operator = await house.program({"role": "operator"})
    assert (await operator.post("/v1/workers/both/drain", json={"why": "x"})).status_code == 403
