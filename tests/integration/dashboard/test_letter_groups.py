"""`/v1/dead-letters/groups`: dead letters by bug, and those that can wait."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.jobs.events import Event, EventType
from tests.integration.cli.burial import bury

from .house import House

HOUR = timedelta(hours=1)


@pytest.fixture
async def filled(house: House) -> House:
    link = house.services.link
    await bury(link, "a", "b", queue="mail", kind="email.send", message="no row 7")
    await bury(link, "c", kind="shop.pay", message="no row 12")
    await bury(link, "d", kind="shop.pay", message="no printer")
    return house


def look_anew(house: House) -> None:
    """What was counted some seconds ago is not good enough here."""
    house.services.bus.deliver(Event(type=EventType.JOB_REPLAYED, at_ms=0))


async def groups(client: Any, query: str = "") -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/dead-letters/groups{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_letters_of_one_bug_are_one_group_of_what_the_caller_sees(filled: House) -> None:
    rows, printer = await groups(await filled.program({"role": "operator"}))
    assert (rows["count"], rows["queues"], rows["kinds"]) == (
        3,
        {"mail": 2, "default": 1},
        {"email.send": 2, "shop.pay": 1},
    )
    assert (printer["count"], printer["message"]) == (1, "no printer")
    assert sum(rows["series"]["counts"]) == 3
    assert len(rows["series"]["counts"]) == 24
    [of_mail] = await groups(await filled.program({"role": "operator", "queues": ["mail"]}))
    assert (of_mail["fingerprint"], of_mail["count"]) == (rows["fingerprint"], 2)
    assert of_mail["queues"] == {"mail": 2}
    assert sum(of_mail["series"]["counts"]) == 2
    one = await (await filled.program({"role": "viewer", "queues": ["mail"]})).get(
        f"/v1/dead-letters/groups/{rows['fingerprint']}"
    )
    assert (one.json()["count"], one.json()["message"], len(one.json()["series"]["counts"])) == (2, None, 168)


async def test_groups_come_in_pages_the_largest_first(filled: House) -> None:
    program = await filled.program({"role": "operator"})
    whole = await groups(program)
    first = await program.get("/v1/dead-letters/groups?limit=1")
    assert [one["fingerprint"] for one in first.json()["items"]] == [whole[0]["fingerprint"]]
    assert 'rel="next"' in first.headers["link"]
    rest = await program.get("/v1/dead-letters/groups", params={"limit": 1, "cursor": first.json()["next"]})
    assert [one["fingerprint"] for one in rest.json()["items"]] == [whole[1]["fingerprint"]]
    assert (rest.json()["next"], "link" in rest.headers) == (None, False)
    assert (await program.get("/v1/dead-letters/groups?cursor=!")).status_code == 400


async def test_a_group_of_others_is_not_there(filled: House) -> None:
    [_, printer] = await groups(await filled.program({"role": "operator"}))
    path = f"/v1/dead-letters/groups/{printer['fingerprint']}"
    of_mail = await filled.program({"role": "operator", "queues": ["mail"]})
    assert (await of_mail.get(path)).status_code == 404
    order = {"until": (datetime.now(UTC) + HOUR).isoformat()}
    assert (await of_mail.put(f"{path}/snooze", json=order)).status_code == 404
    assert (await of_mail.get("/v1/dead-letters/groups/" + "0" * 16)).status_code == 404
    assert (await of_mail.get("/v1/dead-letters/groups/x")).status_code == 400


async def test_a_snoozed_group_is_hidden_until_it_is_woken(filled: House) -> None:
    program = await filled.program({"role": "operator"})
    rows, printer = await groups(program)
    until = datetime.now(UTC) + HOUR
    path = f"/v1/dead-letters/groups/{rows['fingerprint']}/snooze"
    answer = await program.put(path, json={"until": until.isoformat(), "why": "fixed on Monday"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["snoozed"]["why"] == "fixed on Monday"
    assert [one["fingerprint"] for one in await groups(program)] == [printer["fingerprint"]]
    assert [one["fingerprint"] for one in await groups(program, "?snoozed=true")] == [rows["fingerprint"]]
    assert (await program.delete(path)).json() == {"was_snoozed": True}
    assert (await program.delete(path)).json() == {"was_snoozed": False}
    assert len(await groups(program)) == 2
    assert filled.services.database is not None
    async with filled.services.database.unit() as unit:
        assert [act.action for act in await unit.audit.list(subject=rows["fingerprint"])] == [
            "dead.wake",
            "dead.wake",
            "dead.snooze",
        ]


async def test_a_snooze_ends_with_its_time_and_when_the_bug_spreads(filled: House) -> None:
    program = await filled.program({"role": "operator"})
    rows, _ = await groups(program)
    path = f"/v1/dead-letters/groups/{rows['fingerprint']}/snooze"
    await program.put(path, json={"until": (datetime.now(UTC) + HOUR).isoformat()})
    assert len(await groups(program)) == 1
    await bury(filled.services.link, "e", queue="mail", kind="email.send", message="no row 8")
    look_anew(filled)
    assert len(await groups(program)) == 1
    await bury(filled.services.link, "f", queue="mail", kind="sms.send", message="no row 9")
    look_anew(filled)
    assert len(await groups(program)) == 2
    await program.put(path, json={"until": (datetime.now(UTC) + HOUR).isoformat()})
    over = '{"until_ms":1,"by":"ann","why":""}'
    fields = await filled.services.link.call("HKEYS", "monarq:snoozed")
    assert len(fields) == 3
    await filled.services.link.call("HSET", "monarq:snoozed", fields[0], over)
    assert len(await groups(program)) == 2
    await program.put(path, json={"until": (datetime.now(UTC) + HOUR).isoformat()})
    assert over.encode() not in await filled.services.link.call("HVALS", "monarq:snoozed")


async def test_nobody_hides_from_others_what_they_may_not_act_on(filled: House) -> None:
    everything = await filled.program({"role": "operator"})
    rows, _ = await groups(everything)
    of_mail = await filled.program({"role": "operator", "queues": ["mail"]})
    path = f"/v1/dead-letters/groups/{rows['fingerprint']}/snooze"
    await of_mail.put(path, json={"until": (datetime.now(UTC) + HOUR).isoformat()})
    assert await groups(of_mail) == []
    assert len(await groups(everything)) == 2
    watcher = await filled.program({"role": "viewer"}, {"permissions": ["dead:replay"], "queues": ["x"]})
    answer = await watcher.put(path, json={"until": (datetime.now(UTC) + HOUR).isoformat()})
    assert answer.status_code == 403


@pytest.mark.parametrize("days", [-1, 0, 91])
async def test_a_snooze_ends_within_three_months(filled: House, days: int) -> None:
    program = await filled.program({"role": "operator"})
    [rows, _] = await groups(program)
    until = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    answer = await program.put(f"/v1/dead-letters/groups/{rows['fingerprint']}/snooze", json={"until": until})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/until")


async def test_what_cannot_be_read_among_the_snoozes_hides_nothing(filled: House) -> None:
    program = await filled.program({"role": "operator"})
    rows, _ = await groups(program)
    for told in ("rubbish", "{}", '{"until_ms":"x"}', "[]"):
        await filled.services.link.call(
            "HSET", "monarq:snoozed", f"{rows['fingerprint']}=mail=email.send", told
        )
        assert len(await groups(program)) == 2


async def test_groups_are_counted_once_for_all_who_ask_and_anew_after_a_change(filled: House) -> None:
    everybody, of_mail = (
        await filled.program({"role": "operator"}),
        await filled.program({"role": "operator", "queues": ["mail"]}),
    )
    known = filled.services.letter_groups._known
    for client in (everybody, of_mail, everybody):
        await groups(client)
    assert known.reads == 1
    assert (await of_mail.post("/v1/dead-letters/a/replay")).status_code == 204
    [rows, _] = await groups(everybody)
    assert (rows["count"], known.reads) == (2, 2)
