"""`POST /v1/jobs`: what is enqueued, for whom, and what is refused."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.dashboard.access.ownership import owner_tag
from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.priority import Priority
from monarq.jobs.store import keys
from monarq.producer.producer import Producer

from .house import House

MAIL = {"kind": "mail.send", "args": {"user_id": 7}}
PRODUCER = {"role": "producer"}


async def test_a_job_is_created_where_and_as_its_kind_says(house: House) -> None:
    program = await house.program(PRODUCER)
    answer = await program.post("/v1/jobs", json=MAIL)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made == {"id": made["id"], "created": True, "kind": "mail.send", "queue": "mail"}
    assert answer.headers["location"] == f"/v1/jobs/{made['id']}"
    assert await house.store.priority(made["id"]) is Priority.HIGH
    envelope = await house.envelope(made["id"])
    assert (envelope.kind, envelope.kwargs, envelope.tags[0]) == ("mail.send", {"user_id": 7}, "post")
    assert (await program.get(answer.headers["location"])).json()["id"] == made["id"]


async def test_a_job_carries_the_trace_of_its_request(house: House) -> None:
    """Though nobody here has set up a tracer; what is no trace is left out."""
    program, trace = await house.program(PRODUCER), f"00-{'ab' * 16}-{'cd' * 8}-01"
    for headers, carried in (
        ({"traceparent": trace, "tracestate": "congo=t61"}, f"{trace} congo=t61"),
        ({"traceparent": "rubbish", "tracestate": "congo=t61"}, None),
        ({}, None),
    ):
        one = await program.post("/v1/jobs", json=MAIL, headers=headers)
        many = await program.post("/v1/jobs/bulk", json={"items": [MAIL]}, headers=headers)
        for job_id in (one.json()["id"], many.json()["items"][0]["job"]["id"]):
            assert (await house.envelope(job_id)).trace == carried


async def test_every_option_of_a_job_can_be_given(house: House) -> None:
    program = await house.program(PRODUCER)
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    order = {
        **MAIL,
        "queue": "mail.bulk",
        "priority": "low",
        "at": at.isoformat(),
        "job_id": "my/own:id",
        "expires_in": 86_400,
        "tags": ["customer:17"],
        "unique": {"by": ["user_id"], "until": "success"},
    }
    answer = await program.post("/v1/jobs", json=order)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "/v1/jobs/my%2Fown%3Aid"
    told = (await program.get(answer.headers["location"])).json()
    assert (told["id"], told["queue"], told["priority"]) == ("my/own:id", "mail.bulk", "low")
    assert datetime.fromisoformat(told["due_at"]) == at
    assert told["tags"] == ["post", "customer:17"]
    assert await house.store_of("mail.bulk").score("my/own:id") == round(at.timestamp() * 1000)


async def test_arguments_are_read_as_json_has_them(house: House) -> None:
    """A date is text, bytes are base64, and an integer is as long as it is."""
    program = await house.program(PRODUCER)
    args = {"lines": [{"sku": "x", "count": 2**80}], "at": "2030-01-01T00:00:00Z", "raw": "AAE="}
    answer = await program.post("/v1/jobs", json={"kind": "order.place", "args": args})
    assert answer.status_code == 201, answer.text
    told = (await program.get(answer.headers["location"])).json()
    assert told["args"]["lines"] == [{"sku": "x", "count": 2**80}]
    assert told["args"]["raw"] == "AAE="


@pytest.mark.parametrize(
    ("order", "pointer"),
    [
        ({"kind": "mail.send"}, "#/args/user_id"),
        ({"kind": "mail.send", "args": {"user_id": "x"}}, "#/args/user_id"),
        ({"kind": "mail.send", "args": {"user_id": 1, "x/y~z": 2}}, "#/args/x~1y~0z"),
        (
            {"kind": "order.place", "args": {"at": "2030-01-01T00:00:00Z", "lines": [{"sku": 1}]}},
            "#/args/lines/0/sku",
        ),
        ({"kind": "mail.none", "args": {}}, "#/kind"),
        ({**MAIL, "queue": "no queue"}, "#/queue"),
        ({**MAIL, "job_id": "no id"}, "#/job_id"),
        ({**MAIL, "delay": -1}, "#/delay"),
        ({**MAIL, "delay": 1, "at": "2030-01-01T00:00:00Z"}, "#/delay"),
        ({**MAIL, "at": "2030-01-01T00:00:00"}, "#/at"),
        ({**MAIL, "priority": "urgent"}, "#/priority"),
        ({**MAIL, "tags": ["no tag"]}, "#/tags"),
        ({**MAIL, "tags": ["owner:00"]}, "#/tags"),
        ({**MAIL, "unique": {"by": ["nobody"]}}, "#/unique"),
        ({**MAIL, "unique": {"until": "never"}}, None),
        ({**MAIL, "prioritty": "high"}, "#/prioritty"),
        ({**MAIL, "args": [1]}, "#/args"),
    ],
)
async def test_what_cannot_be_used_is_named_by_its_pointer_and_nothing_is_written(
    house: House, order: dict[str, Any], pointer: str | None
) -> None:
    program = await house.program(PRODUCER)
    answer = await program.post("/v1/jobs", json=order)
    assert answer.status_code == 422, answer.text
    pointers = [fault["pointer"] for fault in answer.json()["errors"]]
    assert pointers == [pointer] if pointer else all(one.startswith("#/unique/until") for one in pointers)
    assert await house.services.link.call("KEYS", f"{keys.JOB}*") == []


async def test_text_that_json_cannot_carry_back_is_refused(house: House) -> None:
    program = await house.program(PRODUCER)
    body = b'{"kind": "mail.send", "args": {"user_id": 1, "subject": "\\ud800"}}'
    answer = await program.post("/v1/jobs", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/args")


async def test_a_job_that_is_too_large_is_refused(house: House) -> None:
    program = await house.program(PRODUCER)
    order = {"kind": "mail.send", "args": {"user_id": 1, "subject": "x" * 600_000}}
    answer = await program.post("/v1/jobs", json=order)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_a_kind_or_a_queue_outside_the_grants_is_told_like_one_that_is_not_there(house: House) -> None:
    program = await house.program({"role": "producer", "queues": ["mail"]})
    for order in (
        {"kind": "order.place", "args": {}},
        {"kind": "none.such", "args": {}},
        {**MAIL, "queue": "default"},
    ):
        answer = await program.post("/v1/jobs", json=order)
        assert answer.status_code == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == ["#/kind"]
    assert (await program.post("/v1/jobs", json=MAIL)).status_code == 201


async def test_who_sees_a_kind_and_may_not_enqueue_it_is_told_so(house: House) -> None:
    program = await house.program({"role": "viewer"}, {"role": "producer", "kinds": ["order.*"]})
    answer = await program.post("/v1/jobs", json=MAIL)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


async def test_the_same_id_is_the_same_job_and_other_content_a_conflict(house: House) -> None:
    program = await house.program(PRODUCER)
    first = await program.post("/v1/jobs", json={**MAIL, "job_id": "a"})
    again = await program.post("/v1/jobs", json={**MAIL, "job_id": "a"})
    assert (first.status_code, again.status_code, again.json()["created"]) == (201, 200, False)
    other = await program.post("/v1/jobs", json={"kind": "mail.send", "args": {"user_id": 8}, "job_id": "a"})
    assert (other.status_code, other.json()["code"]) == (409, "conflict")


async def test_a_unique_key_that_is_held_is_a_conflict_if_its_rule_wants_to_know(house: House) -> None:
    program = await house.program(PRODUCER)
    order = {"kind": "report.build", "args": {"month": "2026-11"}}
    assert (await program.post("/v1/jobs", json=order)).status_code == 201
    answer = await program.post("/v1/jobs", json=order)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_unique")


# --- who made it


async def test_a_producer_sees_what_it_has_made_and_nothing_else(house: House) -> None:
    mine, others = await house.program(PRODUCER), await house.program(PRODUCER)
    place = (await mine.post("/v1/jobs", json=MAIL)).headers["location"]
    assert (await mine.get(place)).json()["args"] == {"user_id": 7}
    assert (await others.get(place)).status_code == 404
    async with Producer(house.settings) as producer:
        handle = await producer.enqueue(house.kinds["mail.send"].of(user_id=1))
    assert (await mine.get(f"/v1/jobs/{handle.job_id}")).status_code == 404


async def test_a_producer_reads_the_result_of_what_it_has_made(house: House) -> None:
    program = await house.program(PRODUCER)
    made = (await program.post("/v1/jobs", json=MAIL)).json()
    await house.run_one(made["id"], result={"sent": True})
    told = (await program.get(f"/v1/jobs/{made['id']}")).json()
    assert (told["state"], told["result"], told["tags"]) == ("succeeded", {"sent": True}, ["post"])


async def test_an_enqueue_stands_in_the_audit(house: House) -> None:
    user = await house.user({"role": "admin"})
    browser = await house.browser(user=user)
    made = (await browser.post("/v1/jobs", json=MAIL)).json()
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        [act] = await unit.audit.list(action="job.enqueue")
    assert (act.actor, act.subject, act.kind) == (user.name, made["id"], "mail.send")
    assert owner_tag(f"user:{user.id}") in (await house.envelope(made["id"])).tags


# --- once, however often


KEY = {"idempotency-key": '"abc"'}


async def test_the_same_request_under_the_same_key_is_answered_again_and_makes_one_job(house: House) -> None:
    program = await house.program(PRODUCER)
    first = await program.post("/v1/jobs", json=MAIL, headers=KEY)
    again = await program.post("/v1/jobs", json=MAIL, headers={"idempotency-key": "abc"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["location"] == first.headers["location"]
    assert (await house.store.stats())["enqueued"] == 1
    kept = [key async for key in house.redis.scan_iter("monarq:idempotency:*")]
    assert len(kept) == 1
    assert 86_000 < await house.redis.ttl(kept[0]) <= 86_400


async def test_another_request_under_the_same_key_is_refused(house: House) -> None:
    program = await house.program(PRODUCER)
    await program.post("/v1/jobs", json=MAIL, headers=KEY)
    answer = await program.post("/v1/jobs", json={**MAIL, "priority": "low"}, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_is_its_callers_own(house: House) -> None:
    one, other = await house.program(PRODUCER), await house.program(PRODUCER)
    made = [(await who.post("/v1/jobs", json=MAIL, headers=KEY)).json()["id"] for who in (one, other)]
    assert len(set(made)) == 2


async def test_a_repeat_that_comes_before_the_answer_is_told_to_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = await house.program(PRODUCER)
    begun, go_on = asyncio.Event(), asyncio.Event()
    original = Producer.enqueue_many

    async def slow(self: Producer, *args: Any, **kwargs: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await original(self, *args, **kwargs)

    monkeypatch.setattr(Producer, "enqueue_many", slow)
    first = asyncio.create_task(program.post("/v1/jobs", json=MAIL, headers=KEY))
    await begun.wait()
    early = await program.post("/v1/jobs", json=MAIL, headers=KEY)
    assert (early.status_code, early.json()["code"]) == (409, "idempotency_key_in_use")
    assert early.headers["retry-after"] == "1"
    go_on.set()
    assert (await first).status_code == 201


async def test_a_try_that_was_cut_off_after_writing_is_repeated_as_the_same_job(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = await house.program(PRODUCER)
    original = Producer.enqueue_many

    async def cut_off(self: Producer, *args: Any, **kwargs: Any) -> Any:
        await original(self, *args, **kwargs)
        raise StoreUnavailable("cut off")

    with monkeypatch.context() as patch:
        patch.setattr(Producer, "enqueue_many", cut_off)
        assert (await program.post("/v1/jobs", json=MAIL, headers=KEY)).status_code == 503
    again = await program.post("/v1/jobs", json=MAIL, headers=KEY)
    assert (again.status_code, again.json()["created"]) == (201, True)
    assert (await house.store.stats())["enqueued"] == 1


async def test_a_request_that_was_refused_leaves_its_key_free(house: House) -> None:
    program = await house.program(PRODUCER)
    order = {"kind": "report.build", "args": {"month": "2026-11"}}
    await program.post("/v1/jobs", json=order)
    assert (await program.post("/v1/jobs", json=order, headers=KEY)).status_code == 409
    assert (await program.post("/v1/jobs", json=MAIL, headers=KEY)).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "ä"])
async def test_a_key_that_cannot_be_one_is_refused(house: House, key: str) -> None:
    program = await house.program(PRODUCER)
    answer = await program.post("/v1/jobs", json=MAIL, headers={"idempotency-key": key.encode()})
    assert answer.status_code == 400


# --- many


async def test_of_many_jobs_each_has_an_outcome_of_its_own(house: House) -> None:
    program = await house.program({"role": "producer", "queues": ["mail", "mail.bulk"]})
    items = [
        MAIL,
        {"kind": "mail.send", "args": {"user_id": "x"}},
        {"kind": "order.place", "args": {}},
        {"kind": "report.build", "args": {"month": "2026-11"}},
        {"kind": "report.build", "args": {"month": "2026-11"}},
        {**MAIL, "job_id": "no id"},
        {**MAIL, "job_id": "a"},
    ]
    answer = await program.post("/v1/jobs/bulk", json={"items": items})
    assert answer.status_code == 200, answer.text
    told = answer.json()["items"]
    assert [one["status"] for one in told] == [201, 422, 422, 201, 409, 422, 201]
    assert [one["job"] is None for one in told] == [one["status"] >= 400 for one in told]
    faults = [[fault["pointer"] for fault in one["problem"]["errors"]] for one in told if one["problem"]]
    assert faults == [["#/items/1/args/user_id"], ["#/items/2/kind"], [], ["#/items/5/job_id"]]
    assert (await house.store.stats())["enqueued"] == 2


async def test_many_jobs_under_one_key_are_written_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = await house.program(PRODUCER)
    items = {"items": [MAIL] * 5 + [{"kind": "mail.none"}]}
    first = await program.post("/v1/jobs/bulk", json=items, headers=KEY)
    again = await program.post("/v1/jobs/bulk", json=items, headers=KEY)
    assert first.json() == again.json()
    assert (await house.store.stats())["enqueued"] == 5
    ids = [one["job"]["id"] for one in first.json()["items"][:5]]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("items", [[], [MAIL] * 1_001, [MAIL, {"kind": "x", "y": 1}]])
async def test_a_body_of_another_shape_is_refused_as_a_whole(house: House, items: list[Any]) -> None:
    program = await house.program(PRODUCER)
    answer = await program.post("/v1/jobs/bulk", json={"items": items})
    assert answer.status_code == 422
    assert await house.services.link.call("KEYS", f"{keys.JOB}*") == []


async def test_a_thousand_jobs_are_enqueued_at_once(house: House) -> None:
    program = await house.program(PRODUCER)
    answer = await program.post("/v1/jobs/bulk", json={"items": [MAIL] * 1_000})
    assert {one["status"] for one in answer.json()["items"]} == {201}
    assert (await house.store.stats())["enqueued"] == 1_000
