"""`/v1/queues`: what may be seen of queues, and what may be done to them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .house import House

MAIL_ONLY = {"role": "operator", "queues": ["mail*"]}


async def names(client: Any) -> list[str]:
    answer = await client.get("/v1/queues")
    assert answer.status_code == 200, answer.text
    return [queue["queue"] for queue in answer.json()["items"]]


async def test_a_list_holds_the_queues_that_the_grants_name_and_no_others(house: House) -> None:
    assert await names(await house.program({"role": "viewer"})) == ["default", "mail", "mail.bulk"]
    assert await names(await house.program(MAIL_ONLY)) == ["mail", "mail.bulk"]
    assert await names(await house.program({"role": "viewer", "queues": ["mail.*"]})) == ["mail.bulk"]


async def test_a_queue_that_must_not_be_seen_is_told_like_one_that_is_not_there(house: House) -> None:
    program = await house.program(MAIL_ONLY)
    hidden, missing = await program.get("/v1/queues/default"), await program.get("/v1/queues/mail.none")
    assert hidden.status_code == missing.status_code == 404
    told = [{**answer.json(), "instance": "", "request_id": ""} for answer in (hidden, missing)]
    assert told[0] == told[1]
    for verb in ("pause", "resume"):
        answer = await program.post(
            f"/v1/queues/default/{verb}", json={"why": "x"} if verb == "pause" else {}
        )
        assert answer.status_code == 404


async def test_a_grant_for_some_kinds_does_not_show_numbers_of_all_kinds(house: House) -> None:
    program = await house.program({"role": "operator", "kinds": ["mail.*"]})
    assert await names(program) == []
    assert (await program.get("/v1/queues/mail")).status_code == 404


async def test_who_may_pause_some_kinds_may_not_pause_the_queue(house: House) -> None:
    program = await house.program(
        {"role": "viewer"}, {"permissions": ["queues:pause"], "queues": ["mail"], "kinds": ["email.*"]}
    )
    whole = await program.post("/v1/queues/mail/pause", json={"why": "it rests"})
    assert (whole.status_code, whole.json()["code"]) == (403, "not_permitted")
    kind = await program.post("/v1/queues/mail/pause", json={"why": "it rests", "kind": "email.send"})
    assert kind.status_code == 200, kind.text
    elsewhere = await program.post("/v1/queues/default/pause", json={"why": "it rests", "kind": "email.send"})
    assert elsewhere.status_code == 403


async def test_a_pause_holds_until_it_is_resumed_and_says_who_began_it(house: House) -> None:
    user = await house.user(MAIL_ONLY)
    browser = await house.browser(user=user)
    paused = await browser.post("/v1/queues/mail/pause", json={"why": "the mail server moves"})
    assert paused.status_code == 200, paused.text
    assert paused.json()["by"] == user.name
    [pause] = (await browser.get("/v1/queues/mail")).json()["pauses"]
    assert (pause["why"], pause["kind"], pause["until"]) == ("the mail server moves", None, None)
    assert (await browser.post("/v1/queues/mail/resume", json={})).json() == {"was_paused": True}
    assert (await browser.post("/v1/queues/mail/resume", json={})).json() == {"was_paused": False}
    assert (await browser.get("/v1/queues/mail")).json()["pauses"] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/why"),
        ({"why": ""}, "#/why"),
        ({"why": "x", "until": "2030-01-01T00:00:00"}, "#/until"),
        ({"why": "x", "kinds": "y"}, "#/kinds"),
        ({"why": "x", "now": "perhaps"}, "#/now"),
    ],
)
async def test_a_member_that_cannot_be_used_is_named_by_its_pointer(
    house: House, body: dict[str, Any], pointer: str
) -> None:
    program = await house.program({"role": "operator"})
    answer = await program.post("/v1/queues/mail/pause", json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_an_end_that_is_over_and_a_kind_that_is_no_name_are_refused(house: House) -> None:
    program = await house.program({"role": "operator"})
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for body in ({"why": "x", "until": past}, {"why": "x", "kind": "no name"}):
        assert (await program.post("/v1/queues/mail/pause", json=body)).status_code == 422


async def test_a_queue_name_with_a_slash_can_be_asked_for(house: House) -> None:
    from monarq.jobs.store.keys import queue_keys
    from monarq.jobs.store.queues import announce

    await announce(house.services.link, [queue_keys("eu/mail")])
    program = await house.program({"role": "operator"})
    for path in ("/v1/queues/eu/mail", "/v1/queues/eu%2Fmail"):
        assert (await program.get(path)).json()["queue"] == "eu/mail"
    assert (await program.post("/v1/queues/eu%2Fmail/pause", json={"why": "x"})).status_code == 200


async def test_a_read_only_dashboard_changes_nothing_for_anybody(open_house: Any) -> None:
    house = await open_house(read_only=True)
    program = await house.program({"role": "admin"})
    answer = await program.post("/v1/queues/mail/pause", json={"why": "x"})
    assert (answer.status_code, answer.json()["code"]) == (403, "read_only")
    assert (await program.get("/v1/queues/mail")).json()["pauses"] == []


async def test_a_pause_stands_in_the_audit_with_who_did_it_and_why(house: House) -> None:
    user = await house.user(MAIL_ONLY)
    browser = await house.browser(user=user)
    await browser.post("/v1/queues/mail/pause", json={"why": "the mail server moves"})
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        [act] = await unit.audit.list(action="queue.pause")
    assert (act.actor, act.place, act.subject) == (user.name, "the HTTP API", "mail")
    assert act.detail["why"] == "the mail server moves"
