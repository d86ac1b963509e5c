"""`/v1/dead-letters`: what may be seen of dead letters, and what may be done to one."""

from typing import Any

import pytest

from monarq.jobs.store.keys import queue_keys
from tests.integration.cli.burial import bury

from .house import House

SECRET = "card 4711"
TRACEBACK = 'Traceback (most recent call last):\n  File "/srv/shop/pay.py", line 3, in pay\n'


async def fill(house: House) -> None:
    """Two queues, two kinds, two bugs."""
    link = house.services.link
    await bury(link, "a", "b", queue="mail", kind="email.send", message=f"{SECRET} refused")
    await bury(link, "c", queue="mail", kind="sms.send", error_type="KeyError", message="no such number")
    await bury(
        link, "d", kind="shop.pay", arguments={"card": SECRET}, message="no money", traceback=TRACEBACK
    )
    for ms, (queue, job_id) in enumerate(
        [("mail", "a"), ("mail", "b"), ("mail", "c"), ("default", "d")], 1_764_000_000_000
    ):
        await link.call("ZADD", queue_keys(queue).dead, "XX", ms, job_id)


async def ids(client: Any, query: str = "") -> list[str]:
    answer = await client.get(f"/v1/dead-letters{query}")
    assert answer.status_code == 200, answer.text
    return [item["job_id"] for item in answer.json()["items"]]


async def waiting(house: House, queue: str = "mail") -> set[str]:
    return {
        job_id.decode()
        for job_id in await house.services.link.call("ZRANGE", queue_keys(queue).ranks[2], 0, -1)
    }


@pytest.fixture
async def filled(house: House) -> House:
    await fill(house)
    return house


async def test_a_list_holds_what_the_grants_name_and_no_more(filled: House) -> None:
    assert await ids(await filled.program({"role": "viewer"})) == ["d", "c", "b", "a"]
    assert await ids(await filled.program({"role": "viewer", "queues": ["mail*"]})) == ["c", "b", "a"]
    assert await ids(await filled.program({"role": "viewer", "kinds": ["sms.*"]})) == ["c"]
    for query, found in {
        "?queue=mail": "cba",
        "?kind=email.send": "ba",
        "?error=KeyError": "c",
        "?text=MONEY": "d",
        "?after=2025-11-24T16:00:00.002Z": "dc",
        "?before=2025-11-24T16:00:00.001Z": "a",
        "?queue=nowhere": "",
    }.items():
        assert await ids(await filled.program({"role": "operator"}), query) == list(found), query


async def test_pages_lead_forth_and_back(filled: House) -> None:
    program = await filled.program({"role": "viewer"})
    first = (await program.get("/v1/dead-letters?limit=2")).json()
    assert first["prev"] is None
    answer = await program.get(f"/v1/dead-letters?limit=2&cursor={first['next']}")
    second = answer.json()
    assert [item["job_id"] for item in second["items"]] == ["b", "a"]
    assert second["next"] is None
    assert 'rel="prev"' in answer.headers["link"]
    assert await ids(program, f"?limit=2&cursor={second['prev']}") == ["d", "c"]


async def test_a_cursor_of_another_filter_is_refused(filled: House) -> None:
    program = await filled.program({"role": "viewer"})
    cursor = (await program.get("/v1/dead-letters?limit=1")).json()["next"]
    for query in (
        f"?queue=mail&cursor={cursor}",
        "?cursor=rubbish",
        "?cursor=WyIiLDEsMiwzXQ",
        "?before=x",
        "?x=y",
    ):
        answer = await program.get(f"/v1/dead-letters{query}")
        assert answer.status_code == 400, answer.text
    over = "?after=2025-01-02T00:00:00Z&before=2025-01-01T00:00:00Z"
    assert (await program.get(f"/v1/dead-letters{over}")).status_code == 400


async def test_words_are_shown_to_those_who_may_see_them_only(filled: House) -> None:
    viewer = await filled.program({"role": "viewer"})
    operator = await filled.program({"role": "operator"})
    for path in ("/v1/dead-letters", "/v1/dead-letters/a", "/v1/dead-letters/d", "/v1/dead-letters/groups"):
        assert SECRET not in (await viewer.get(path)).text
        assert (await operator.get(path)).status_code == 200
    whole = (await operator.get("/v1/dead-letters/d")).json()
    assert (whole["kwargs"], whole["message"]) == ({"card": SECRET}, "no money")
    assert whole["attempts"][0]["traceback"] == TRACEBACK
    hidden = (await viewer.get("/v1/dead-letters/d")).json()
    assert (hidden["kwargs"], hidden["message"], hidden["attempts"][0]["traceback"]) == (None, None, None)
    assert (hidden["error_type"], hidden["cause"]) == ("ValueError", "error")


async def test_who_may_not_see_words_cannot_look_for_them(filled: House) -> None:
    viewer = await filled.program({"role": "viewer"})
    assert (await viewer.get("/v1/dead-letters?text=4711")).status_code == 403
    assert (await viewer.get("/v1/dead-letters/groups?text=4711")).status_code == 403
    some = await filled.program({"role": "viewer"}, {"permissions": ["jobs:payload"], "queues": ["mail"]})
    assert await ids(some, "?text=4711") == ["b", "a"]  # and not d, which has it in its arguments


async def test_a_letter_out_of_scope_is_told_like_one_that_is_not_there(filled: House) -> None:
    program = await filled.program({"role": "admin", "queues": ["mail"]})
    for method, path in (("GET", ""), ("POST", "/replay"), ("DELETE", "")):
        hidden = await program.request(method, f"/v1/dead-letters/d{path}")
        missing = await program.request(method, f"/v1/dead-letters/nobody{path}")
        assert hidden.status_code == missing.status_code == 404
        assert hidden.json()["detail"] == missing.json()["detail"]


async def test_a_replayed_letter_is_a_job_again_and_stands_in_the_audit(filled: House) -> None:
    program = await filled.program({"role": "operator", "queues": ["mail"]})
    assert (await program.post("/v1/dead-letters/a/replay")).status_code == 204
    assert await waiting(filled) == {"a"}
    assert (await program.post("/v1/dead-letters/a/replay")).status_code == 404
    assert filled.services.database is not None
    async with filled.services.database.unit() as unit:
        [act] = await unit.audit.list(action="dead.replay")
    assert (act.subject, act.queue, act.kind) == ("a", "mail", "email.send")


async def test_a_discarded_letter_is_gone(filled: House) -> None:
    operator = await filled.program({"role": "operator"})
    assert (await operator.delete("/v1/dead-letters/a")).status_code == 403
    admin = await filled.program({"role": "admin"})
    assert (await admin.delete("/v1/dead-letters/a")).status_code == 204
    assert await ids(admin) == ["d", "c", "b"]
    assert await waiting(filled) == set()


async def test_who_may_replay_elsewhere_may_not_here(filled: House) -> None:
    program = await filled.program({"role": "viewer"}, {"permissions": ["dead:replay"], "kinds": ["sms.*"]})
    assert (await program.post("/v1/dead-letters/a/replay")).status_code == 403
    assert (await program.post("/v1/dead-letters/c/replay")).status_code == 204


async def test_a_letter_that_cannot_be_read_is_for_those_who_may_see_all_kinds(filled: House) -> None:
    await bury(filled.services.link, "broken", queue="mail")
    await filled.services.link.call("SET", "monarq:dead-letter:broken", "\xff not JSON")
    some = await filled.program({"role": "admin", "kinds": ["*.send"]})
    assert (await some.get("/v1/dead-letters/broken")).status_code == 404
    assert "broken" not in await ids(some)
    whole = (await (await filled.program({"role": "admin"})).get("/v1/dead-letters/broken")).json()
    assert whole["kind"] is None
    assert "not JSON" in whole["raw"]
    hidden = (await (await filled.program({"role": "viewer"})).get("/v1/dead-letters/broken")).json()
    assert hidden["raw"] is None
