"""`/v1/operations`: what was counted is what is done, by whoever is there to do it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from monarq.dashboard.access.grants import GRANTS
from monarq.jobs.store.keys import DEAD_LETTER, OPERATION, queue_keys
from tests.integration.cli.burial import bury
from tests.integration.worker.deadlines import eventually

from .house import House

REPLAY_ALL = {"action": "replay", "filter": {}}
OPERATOR = {"role": "operator"}


async def dry_run(client: Any, order: dict[str, Any] = REPLAY_ALL) -> dict[str, Any]:
    answer = await client.post("/v1/operations", json=order)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def begin(client: Any, order: dict[str, Any], token: str, **more: Any) -> Any:
    return await client.post("/v1/operations", json={**order, "dry_run": False, "token": token, **more})


async def carry_out(client: Any, order: dict[str, Any] = REPLAY_ALL, **more: Any) -> dict[str, Any]:
    """The operation after its end."""
    answer = await begin(client, order, (await dry_run(client, order))["token"], **more)
    assert answer.status_code == 202, answer.text
    return await ended(client, answer.json()["id"])


async def ended(client: Any, operation_id: str) -> dict[str, Any]:
    async def look() -> Any:
        told = (await client.get(f"/v1/operations/{operation_id}")).json()
        return told if told["ended_at"] else None

    told: dict[str, Any] = await eventually(look)
    assert told["done"] + told["skipped"] + told["failed"] + told["left"] == told["total"]
    return told


async def waiting(house: House, queue: str = "mail") -> set[str]:
    found = await house.services.link.call("ZRANGE", queue_keys(queue).ranks[2], 0, -1)
    return {job_id.decode() for job_id in found}


async def dead(house: House, queue: str = "mail") -> int:
    return int(await house.services.link.call("ZCARD", queue_keys(queue).dead))


@pytest.fixture
async def filled(house: House) -> House:
    """250 letters of mail, 30 of default."""
    await bury(house.services.link, *(f"m{number:03}" for number in range(250)), queue="mail")
    await bury(house.services.link, *(f"d{number:03}" for number in range(30)), kind="other")
    return house


async def test_a_dry_run_counts_and_does_nothing(filled: House) -> None:
    told = await dry_run(await filled.program(OPERATOR))
    assert (told["eligible"], told["ineligible"], len(told["sample"])) == (280, 0, 5)
    assert await dead(filled) == 250
    assert await waiting(filled) == set()


async def test_what_was_counted_is_done(filled: House) -> None:
    program = await filled.program(OPERATOR)
    told = await carry_out(program)
    assert (told["state"], told["done"], told["skipped"], told["failed"]) == ("done", 280, 0, 0)
    assert len(await waiting(filled)) == 250
    assert await waiting(filled, "default") == {f"d{number:03}" for number in range(30)}
    assert (await program.get("/v1/dead-letters")).json()["items"] == []


async def test_what_dies_after_the_dry_run_is_not_swept_in(filled: House) -> None:
    program = await filled.program(OPERATOR)
    token = (await dry_run(program))["token"]
    await bury(filled.services.link, "late", queue="mail")
    answer = await begin(program, REPLAY_ALL, token)
    assert answer.headers["location"] == f"/v1/operations/{token}"
    assert (await ended(program, token))["done"] == 280
    [left] = (await program.get("/v1/dead-letters")).json()["items"]
    assert left["job_id"] == "late"


async def test_what_goes_after_the_dry_run_is_skipped(filled: House) -> None:
    program = await filled.program(OPERATOR)
    token = (await dry_run(program))["token"]
    for job_id in ("m000", "m007", "m249"):
        assert (await program.post(f"/v1/dead-letters/{job_id}/replay")).status_code == 204
    await begin(program, REPLAY_ALL, token)
    told = await ended(program, token)
    assert (told["done"], told["skipped"], told["failed"]) == (277, 3, 0)


async def test_a_filter_and_names_say_which_are_meant(filled: House) -> None:
    program = await filled.program({"role": "admin"})
    some = {"action": "discard", "filter": {"ids": ["m001", "d001", "m000", "nobody", "m001"]}}
    assert (await dry_run(program, some))["eligible"] == 3
    assert (await carry_out(program, some))["done"] == 3
    of_kind = {"action": "discard", "filter": {"kind": "other", "queue": "default"}}
    told = await carry_out(program, of_kind)
    assert (told["done"], told["total"]) == (29, 29)
    assert len((await program.get("/v1/dead-letters?limit=200")).json()["items"]) == 200
    assert await waiting(filled) == set()


async def test_a_named_letter_that_goes_meanwhile_is_skipped(filled: House) -> None:
    program = await filled.program(OPERATOR)
    order = {"action": "replay", "filter": {"ids": [f"m{number:03}" for number in range(150)]}}
    token = (await dry_run(program, order))["token"]
    await program.post("/v1/dead-letters/m004/replay")
    await begin(program, order, token)
    told = await ended(program, token)
    assert (told["done"], told["skipped"]) == (149, 1)


async def test_jobs_out_of_scope_are_neither_counted_nor_touched(filled: House) -> None:
    program = await filled.program({"role": "operator", "queues": ["default"]})
    told = await dry_run(program)
    assert (told["eligible"], told["ineligible"]) == (30, 0)
    assert {one["queue"] for one in told["sample"]} == {"default"}
    assert (await carry_out(program))["done"] == 30
    everything = await filled.program(OPERATOR)
    assert (await dry_run(everything))["eligible"] == 250


async def test_jobs_that_are_seen_only_are_counted_as_not_meant(filled: House) -> None:
    program = await filled.program(
        {"role": "viewer"},
        {"permissions": ["operations:run"]},
        {"permissions": ["dead:replay"], "kinds": ["other"]},
    )
    told = await dry_run(program)
    assert (told["eligible"], told["reasons"]) == (30, {"not_permitted": 250})
    narrow = await filled.program(
        {"role": "viewer"},
        {"permissions": ["operations:run"], "queues": ["default"]},
        {"permissions": ["dead:replay"]},
    )
    assert (await dry_run(narrow))["eligible"] == 30
    assert (await narrow.post("/v1/operations", json={"action": "discard", "filter": {}})).status_code == 403


async def test_who_may_not_see_words_cannot_count_by_them(filled: House) -> None:
    program = await filled.program({"role": "viewer"}, {"permissions": ["operations:run", "dead:replay"]})
    order = {"action": "replay", "filter": {"text": "4711"}}
    assert (await program.post("/v1/operations", json=order)).status_code == 403


async def test_nothing_is_done_without_a_dry_run_of_the_same(filled: House) -> None:
    program, other = await filled.program(OPERATOR), await filled.program(OPERATOR)
    token = (await dry_run(program))["token"]
    without = await program.post("/v1/operations", json={**REPLAY_ALL, "dry_run": False})
    assert (without.status_code, without.json()["errors"][0]["pointer"]) == (422, "#/token")
    of_mail = {"action": "replay", "filter": {"queue": "mail"}}
    for client, order in ((program, of_mail), (other, REPLAY_ALL)):
        assert (await begin(client, order, token)).status_code == 422
    assert (await begin(program, REPLAY_ALL, "nonsense")).status_code == 422
    assert await waiting(filled) == set()


async def test_a_dry_run_gives_nobody_rights_that_they_have_lost_since(filled: House) -> None:
    user = await filled.user(OPERATOR)
    browser = await filled.browser(user=user)
    of_all, of_mail = await dry_run(browser), {"action": "replay", "filter": {"queue": "mail"}}
    narrow = GRANTS.validate_python([{**OPERATOR, "queues": ["mail*"], "networks": ["127.0.0.0/8"]}])
    await filled.directory.change_user(user.id, grants=narrow)
    refused = await begin(browser, REPLAY_ALL, of_all["token"])
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/token")
    assert "less" in refused.json()["errors"][0]["detail"]
    assert (await carry_out(browser, of_mail))["done"] == 250
    assert await dead(filled, "default") == 30


async def test_a_repeated_start_is_one_operation(filled: House) -> None:
    program = await filled.program(OPERATOR)
    token = (await dry_run(program))["token"]
    answers = await asyncio.gather(*(begin(program, REPLAY_ALL, token) for _ in range(3)))
    assert {answer.json()["id"] for answer in answers} == {token}
    assert (await ended(program, token))["done"] == 280
    again = await begin(program, REPLAY_ALL, token)
    assert (again.status_code, again.json()["state"]) == (202, "done")
    assert filled.services.database is not None
    async with filled.services.database.unit() as unit:
        assert len(await unit.audit.list(action="operation.start")) == 1


async def test_an_operation_can_be_cancelled(filled: House) -> None:
    program = await filled.program(OPERATOR)
    token = (await dry_run(program))["token"]
    await begin(program, REPLAY_ALL, token, rate_limit=20)

    async def has_begun() -> bool:
        return bool((await program.get(f"/v1/operations/{token}")).json()["done"])

    await eventually(has_begun)
    answer = await program.post(f"/v1/operations/{token}/cancel")
    assert answer.json()["state"] in ("cancelling", "cancelled")
    told = await ended(program, token)
    assert (told["state"], told["failed"]) == ("cancelled", 0)
    assert 0 < told["done"] < 280
    assert told["left"] == 280 - told["done"]
    jobs = await waiting(filled) | await waiting(filled, "default")
    assert len(jobs) == told["done"]
    assert (await program.post(f"/v1/operations/{token}/cancel")).json()["state"] == "cancelled"


async def test_a_rate_is_kept(filled: House) -> None:
    program = await filled.program(OPERATOR)
    began = asyncio.get_running_loop().time()
    told = await carry_out(program, {"action": "replay", "filter": {"queue": "default"}}, rate_limit=30)
    assert (told["done"], told["rate_limit"]) == (30, 30)
    assert asyncio.get_running_loop().time() - began > 0.8


async def test_start_and_end_stand_in_the_audit_with_their_counts(filled: House) -> None:
    user = await filled.user(OPERATOR)
    browser = await filled.browser(user=user)
    told = await carry_out(browser)
    assert filled.services.database is not None
    database = filled.services.database

    async def acts() -> Any:
        async with database.unit() as unit:
            found = await unit.audit.list(subject=told["id"])
        return found if len(found) == 2 else None

    end, start = await eventually(acts)
    assert (start.action, start.actor, start.detail["jobs"]) == ("operation.start", user.name, 280)
    assert (end.action, end.actor, end.detail["done"]) == ("operation.end", user.name, 280)
    assert (end.result, end.detail["what"]) == ("done", "replay")


async def test_operations_are_seen_by_those_who_see_what_they_touch(filled: House) -> None:
    admin = await filled.program({"role": "admin"})
    of_mail = await carry_out(admin, {"action": "replay", "filter": {"queue": "mail"}})
    of_all = await carry_out(admin)
    mail = await filled.program({"role": "operator", "queues": ["mail*"]})
    default = await filled.program({"role": "operator", "queues": ["default"]})
    everybody = await filled.program({"role": "viewer"})

    async def listed(client: Any, query: str = "") -> list[str]:
        return [one["id"] for one in (await client.get(f"/v1/operations{query}")).json()["items"]]

    assert await listed(everybody) == [of_all["id"], of_mail["id"]]
    assert await listed(mail) == [of_mail["id"]]
    assert await listed(default) == [of_all["id"]], "only letters of default were left"
    assert (await default.get(f"/v1/operations/{of_mail['id']}")).status_code == 404
    assert (await default.post(f"/v1/operations/{of_mail['id']}/cancel")).status_code == 404
    assert await listed(everybody, "?limit=1") == [of_all["id"]]
    following = (await everybody.get("/v1/operations?limit=1")).json()["next"]
    assert await listed(everybody, f"?limit=1&cursor={following}") == [of_mail["id"]]


async def test_a_plan_of_others_is_not_there(filled: House) -> None:
    token = (await dry_run(await filled.program(OPERATOR)))["token"]
    other = await filled.program({"role": "admin"})
    assert (await other.get(f"/v1/operations/{token}")).status_code == 404
    assert (await other.post(f"/v1/operations/{token}/cancel")).status_code == 404
    assert 0 < await filled.services.link.call("PTTL", OPERATION + token) <= 3_600_000


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"filter": {}}, "#/action"),
        ({"action": "explode", "filter": {}}, "#/action"),
        ({"action": "replay"}, "#/filter"),
        ({"action": "replay", "filter": {"fingerprint": "x"}}, "#/filter/fingerprint"),
        ({"action": "replay", "filter": {"ids": []}}, "#/filter/ids"),
        ({"action": "replay", "filter": {"que": "x"}}, "#/filter/que"),
        (
            {
                "action": "replay",
                "filter": {"after": "2030-01-02T00:00:00Z", "before": "2030-01-01T00:00:00Z"},
            },
            "#/filter/before",
        ),
        ({"action": "replay", "filter": {}, "rate_limit": 0}, "#/rate_limit"),
    ],
)
async def test_a_member_that_cannot_be_used_is_named(
    house: House, body: dict[str, Any], pointer: str
) -> None:
    program = await house.program(OPERATOR)
    answer = await program.post("/v1/operations", json=body)
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_letter_that_cannot_be_replayed_is_told_and_stops_no_other(filled: House) -> None:
    await filled.services.link.call("DEL", f"{DEAD_LETTER}m005")
    program = await filled.program(OPERATOR)
    told = await carry_out(program, {"action": "replay", "filter": {"queue": "mail"}})
    assert (told["state"], told["done"], told["skipped"], told["failed"]) == ("done", 249, 0, 1)
    assert told["failures"] == [{"job_id": "m005", "queue": "mail", "why": "its envelope is gone"}]
    assert "m005" not in await waiting(filled)


async def test_two_dashboards_do_an_operation_once(open_house: Callable[..., Any]) -> None:
    first, second = await open_house(), await open_house()
    await bury(first.services.link, *(f"m{number:03}" for number in range(250)), queue="mail")
    first.services.ground.runner.wake()
    second.services.ground.runner.wake()
    program = await first.program(OPERATOR)
    told = await carry_out(program)
    assert (told["done"], told["skipped"], told["failed"]) == (250, 0, 0)
    assert int(await first.services.link.call("HGET", queue_keys("mail").stats, "replayed")) == 250
