"""Operations on jobs that have not ended: those that were listed, and none that came later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.jobs.envelope import encode_head
from monarq.jobs.priority import Priority
from monarq.jobs.store.execute import execute
from monarq.jobs.store.keys import RESULT, queue_keys
from monarq.jobs.store.verbs import BATCH, Entry, enqueue

from .house import House
from .test_operations import begin, carry_out, dry_run, ended

ADMIN = {"role": "admin"}
NOW, LATER = timedelta(0), timedelta(hours=1)


async def ask(house: House, *job_ids: str, queue: str, kind: str = "k", due: timedelta = NOW) -> None:
    """Enqueue jobs."""
    keys = queue_keys(queue)
    head = encode_head(kind, b"{}", queue=queue)
    for at in range(0, len(job_ids), BATCH):
        entries = [Entry(job_id, Priority.NORMAL, due, head) for job_id in job_ids[at : at + BATCH]]
        await execute(house.services.link, enqueue(keys, entries))


async def scores(house: House, rank: int = 2, queue: str = "mail") -> dict[str, float]:
    flat = await house.services.link.call("ZRANGE", queue_keys(queue).ranks[rank], 0, -1, "WITHSCORES")
    return {job_id.decode(): float(score) for job_id, score in zip(flat[::2], flat[1::2], strict=True)}


@pytest.fixture
async def filled(house: House) -> House:
    await ask(house, *(f"m{number:03}" for number in range(150)), queue="mail")
    await ask(house, "l1", "l2", queue="mail", due=LATER)
    await ask(house, "d1", "d2", queue="default", kind="other")
    return house


async def test_jobs_that_wait_are_cancelled_and_no_other(filled: House) -> None:
    program = await filled.program(ADMIN)
    order = {"action": "cancel", "filter": {"q": "queue:mail state:ready"}}
    counted = await dry_run(program, order)
    assert (counted["eligible"], counted["ineligible"]) == (150, 0)
    await ask(filled, "late", queue="mail")
    await begin(program, order, counted["token"])
    told = await carry_out(program, {"action": "cancel", "filter": {"ids": ["d1", "nobody"]}})
    assert (told["done"], told["total"]) == (1, 1)
    told = await ended(program, counted["token"])
    assert (told["state"], told["done"], told["skipped"]) == ("done", 150, 0)
    assert set(await scores(filled)) == {"late", "l1", "l2"}
    assert set(await scores(filled, queue="default")) == {"d2"}
    record = await filled.services.link.call("GET", f"{RESULT}m000")
    assert b"operation" in record
    assert b"token-" in record


async def test_what_ends_before_its_turn_is_skipped(filled: House) -> None:
    program = await filled.program(ADMIN)
    order = {"action": "cancel", "filter": {"queue": "mail"}}
    token = (await dry_run(program, order))["token"]
    await filled.services.link.call("ZREM", queue_keys("mail").ranks[2], "m007")
    await filled.services.link.call("DEL", "arq:job:m007")
    await begin(program, order, token)
    told = await ended(program, token)
    assert (told["done"], told["skipped"]) == (151, 1)


async def test_jobs_get_another_priority_or_time(filled: House) -> None:
    program = await filled.program(ADMIN)
    q = {"q": "state:scheduled"}
    told = await carry_out(program, {"action": "priority", "filter": q, "priority": "high"})
    assert (told["done"], told["options"]) == (2, {"priority": "high"})
    assert set(await scores(filled, rank=1)) == {"l1", "l2"}
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    await carry_out(program, {"action": "reschedule", "filter": q, "at": at.isoformat()})
    assert {round(score / 1000) for score in (await scores(filled, rank=1)).values()} == {
        round(at.timestamp())
    }


async def test_a_backoff_is_cut_short(filled: House) -> None:
    link = filled.services.link
    await link.call(
        "RPUSH", "monarq:failures:l1", '{"spent":1,"crashes":0,"cause":"error","fence":1,"worker":"w"}'
    )
    program = await filled.program({"role": "operator"})
    counted = await dry_run(program, {"action": "retry_now", "filter": {"queue": "mail"}})
    assert (counted["eligible"], counted["reasons"]) == (1, {"wrong_state": 151})
    assert (await carry_out(program, {"action": "retry_now", "filter": {"q": "state:retrying"}}))["done"] == 1
    found = await scores(filled)
    assert found["l1"] < found["l2"] - 3_000_000


async def test_jobs_out_of_scope_are_neither_counted_nor_touched(filled: House) -> None:
    program = await filled.program({"role": "operator", "queues": ["default"]})
    order = {"action": "cancel", "filter": {}}
    counted = await dry_run(program, order)
    assert (counted["eligible"], counted["ineligible"]) == (2, 0)
    assert (await carry_out(program, order))["done"] == 2
    assert len(await scores(filled)) == 152
    some = await filled.program(
        {"role": "viewer"},
        {"permissions": ["operations:run"]},
        {"permissions": ["jobs:cancel"], "kinds": ["x"]},
    )
    assert (await dry_run(some, order))["reasons"] == {"not_permitted": 152}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "priority", "filter": {}}, "#/priority"),
        ({"action": "cancel", "filter": {}, "priority": "low"}, "#/priority"),
        ({"action": "reschedule", "filter": {}}, "#/at"),
        ({"action": "cancel", "filter": {"q": "stat:ready"}}, "#/filter/q"),
        ({"action": "cancel", "filter": {"error": "X"}}, "#/filter/error"),
        ({"action": "replay", "filter": {"q": "state:dead"}}, "#/filter/q"),
    ],
)
async def test_what_does_not_go_with_the_action_is_named(
    house: House, body: dict[str, Any], pointer: str
) -> None:
    program = await house.program(ADMIN)
    answer = await program.post("/v1/operations", json=body)
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_who_may_not_see_words_cannot_search_by_them(house: House) -> None:
    program = await house.program({"role": "viewer"}, {"permissions": ["operations:run", "jobs:cancel"]})
    by_word = {"action": "cancel", "filter": {"q": "args.card:4711"}}
    assert (await program.post("/v1/operations", json=by_word)).status_code == 403
    by_state = {"action": "cancel", "filter": {"q": "state:ready"}}
    assert (await program.post("/v1/operations", json=by_state)).status_code == 200
