"""`/v1/audit`: who changed what by hand, and who may know of it."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from monarq.dashboard.access.caller import Caller, Means
from monarq.dashboard.access.grants import GRANTS
from monarq.jobs.errors import DatabaseRefused, NoDatabase
from monarq.jobs.store.audit_filter import AuditFilter
from monarq.worker.maintenance.forgetting import Forgetting

from .house import House

MAIL_ONLY = {"role": "operator", "queues": ["mail*"]}


async def pause(client: httpx.AsyncClient, queue: str, why: str) -> httpx.Response:
    answer = await client.post(f"/v1/queues/{queue}/pause", json={"why": why})
    assert answer.status_code == 200, answer.text
    return answer


async def reasons(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get("/v1/audit", params=query)
    assert answer.status_code == 200, answer.text
    return [act["detail"].get("why", act["action"]) for act in answer.json()["items"]]


async def test_an_act_says_who_did_what_from_where_in_which_role_and_by_which_request(house: House) -> None:
    user = await house.user(MAIL_ONLY)
    browser = await house.browser(user=user)
    done = await pause(browser, "mail", "the mail server moves")
    admin = await house.program({"role": "admin"})
    [act] = (await admin.get("/v1/audit", params={"action": "queue.pause"})).json()["items"]
    assert act.pop("id") > 0
    assert datetime.fromisoformat(act.pop("at")) > datetime.now(UTC) - timedelta(minutes=1)
    assert act.pop("detail") == {"why": "the mail server moves", "now": False}
    assert act == {
        "actor": user.name,
        "actor_id": f"user:{user.id}",
        "role": "operator",
        "means": "session",
        "address": "127.0.0.1",
        "place": "the HTTP API",
        "action": "queue.pause",
        "subject": "mail",
        "queue": "mail",
        "kind": None,
        "result": "done",
        "request_id": done.headers["x-request-id"],
        "before": None,
        "after": None,
    }


async def test_a_filter_finds_by_actor_action_subject_queue_and_time(house: House) -> None:
    program = await house.program({"role": "admin"})
    await pause(program, "mail", "a")
    between = datetime.now(UTC)
    await pause(program, "default", "b")
    await program.post("/v1/queues/default/resume", json={})
    assert await reasons(program) == ["queue.resume", "b", "a"]
    assert await reasons(program, action="queue.pause") == ["b", "a"]
    assert await reasons(program, subject="mail") == ["a"]
    assert await reasons(program, queue="default") == ["queue.resume", "b"]
    assert await reasons(program, since=between.isoformat()) == ["queue.resume", "b"]
    assert await reasons(program, until=between.isoformat()) == ["a"]
    assert await reasons(program, actor="nobody") == []


async def test_pages_turn_both_ways_and_hold_each_act_once(house: House) -> None:
    program = await house.program({"role": "admin"})
    for number in range(7):
        await pause(program, "mail", str(number))
    query: dict[str, Any] = {"limit": 3}
    pages, cursors = [], []
    while True:
        answer = await program.get("/v1/audit", params=query)
        page = answer.json()
        pages.append([act["detail"]["why"] for act in page["items"]])
        cursors.append(page["prev"])
        await pause(program, "mail", "meanwhile")  # what comes in between moves nothing
        if page["next"] is None:
            break
        assert 'rel="next"' in answer.headers["link"]
        query["cursor"] = page["next"]
    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"]]
    back = (await program.get("/v1/audit", params={"limit": 3, "cursor": cursors[-1]})).json()
    assert [act["detail"]["why"] for act in back["items"]] == ["3", "2", "1"]
    assert back["prev"] is not None
    assert cursors[0] is None


@pytest.mark.parametrize("cursor", ["x", "YjE", "YjEuYWJj", "💥", "YQ"])
async def test_a_cursor_that_is_none_is_refused(house: House, cursor: str) -> None:
    program = await house.program({"role": "admin"})
    answer = await program.get("/v1/audit", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (400, "cursor")


@pytest.mark.parametrize("name", ["actor", "action", "subject", "queue"])
async def test_characters_that_no_act_can_have_are_refused(house: House, name: str) -> None:
    program = await house.program({"role": "admin"})
    for path in ("/v1/audit", "/v1/audit.csv", "/audit"):
        answer = await program.get(path, params={name: "a\0b"})
        assert answer.status_code == 400


async def test_a_cursor_of_another_search_is_refused(house: House) -> None:
    program = await house.program({"role": "admin"})
    for _ in range(2):
        await pause(program, "mail", "x")
    cursor = (await program.get("/v1/audit", params={"limit": 1})).json()["next"]
    answer = await program.get("/v1/audit", params={"limit": 1, "cursor": cursor, "queue": "mail"})
    assert answer.status_code == 400


async def test_who_may_see_some_queues_sees_what_was_done_to_them_and_nothing_else(house: House) -> None:
    admin = await house.program({"role": "admin"})
    for queue in ("mail", "default"):
        await pause(admin, queue, queue)
    await admin.post("/v1/queues/mail/pause", json={"why": "a kind", "kind": "mail.send"})
    await house.browser({"role": "viewer"})  # a login: it concerns no queue
    limited = await house.program({"permissions": ["audit:read"], "queues": ["mail*"]})
    assert await reasons(limited) == ["a kind", "mail"]
    kinds = await house.program({"permissions": ["audit:read"], "kinds": ["mail.*"]})
    assert await reasons(kinds) == ["a kind"]


async def test_who_may_see_their_own_acts_sees_no_others(house: House) -> None:
    admin = await house.program({"role": "admin"})
    await pause(admin, "mail", "theirs")
    secret, _ = await house.token({"role": "operator"}, {"permissions": ["audit:read:own"]})
    mine = house.client(authorization=f"Bearer {secret}")
    await pause(mine, "mail", "mine")
    assert await reasons(mine) == ["mine"]


async def test_a_pattern_is_no_pattern_of_sql(house: House) -> None:
    admin = await house.program({"role": "admin"})
    await pause(admin, "mail", "x")
    for pattern in ("m_il", "m+il", "mail.*"):
        limited = await house.program({"permissions": ["audit:read"], "queues": [pattern]})
        assert await reasons(limited) == []


async def test_an_export_is_a_file_that_no_spreadsheet_runs(house: House) -> None:
    admin = await house.program({"role": "admin"})
    await pause(admin, "mail", '=1+1 "quoted", and\na line')
    answer = await admin.get("/v1/audit.csv", params={"action": "queue.pause"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["action"], row["queue"]) == ("queue.pause", "mail")
    assert '=1+1 \\"quoted\\"' in row["detail"]


async def test_without_postgres_the_audit_says_so_and_other_pages_go_without(open_house: Any) -> None:
    house = await open_house(with_database=False)
    admin = Caller(
        subject="user:1",
        name="ann",
        grants=GRANTS.validate_python([{"role": "admin"}]),
        means=Means.SESSION,
    )
    assert await house.services.audit.about(admin, "x") == []
    with pytest.raises(NoDatabase):
        await house.services.audit.list(admin, AuditFilter())


async def test_what_was_done_to_a_job_is_shown_with_it_to_those_who_may_know(house: House) -> None:
    admin = Caller(
        subject="user:1",
        name="ann",
        grants=(await house.user({"role": "admin"})).grants,
        means=Means.SESSION,
    )
    viewer = Caller(
        subject="user:2",
        name="bob",
        grants=(await house.user({"role": "viewer"})).grants,
        means=Means.SESSION,
    )
    recorder = house.services.ground.audit
    await recorder.record(
        admin,
        "job.priority",
        "j1",
        queue="mail",
        kind="k",
        before={"priority": "low"},
        after={"priority": "high"},
        result="too late",
    )
    [act] = await house.services.audit.about(admin, "j1")
    assert (act.before, act.after) == ({"priority": "low"}, {"priority": "high"})
    assert act.result == "too late"
    assert await house.services.audit.about(viewer, "j1") == []


async def test_a_changed_user_is_told_as_they_were_and_as_they_are(house: House) -> None:
    user = await house.user({"role": "viewer"})
    admin = await house.program({"role": "admin"})
    answer = await admin.patch(f"/v1/users/{user.id}", json={"grants": [{"role": "operator"}]})
    assert answer.status_code == 200, answer.text
    [act] = (await admin.get("/v1/audit", params={"action": "user.change"})).json()["items"]
    assert act["before"] == {"grants": [{"role": "viewer"}]}
    assert act["after"] == {"grants": [{"role": "operator"}]}


async def test_nobody_changes_an_act(house: House) -> None:
    admin = await house.program({"role": "admin"})
    await pause(admin, "mail", "x")
    assert house.services.database is not None
    with pytest.raises(DatabaseRefused, match="never changed"):
        await house.services.database.transact(
            lambda unit: unit.connection.execute("UPDATE monarq.audit SET actor = 'eve'")
        )


async def test_old_acts_are_forgotten_and_young_ones_kept(house: House) -> None:
    admin = await house.program({"role": "admin"})
    await pause(admin, "mail", "young")
    database = house.services.database
    assert database is not None
    await database.transact(
        lambda unit: unit.connection.execute(
            "INSERT INTO monarq.audit (at, actor, action, subject) OVERRIDING SYSTEM VALUE "
            "SELECT now() - interval '3 days', 'a', 'old', 's' FROM generate_series(1, 3)"
        )
    )
    # ids are given in the order of time: here the old ones come first only if the young one is behind them
    await pause(admin, "mail", "younger")
    await database.transact(
        lambda unit: unit.connection.execute("DELETE FROM monarq.audit WHERE detail->>'why' = 'young'")
    )

    def keeper(keep: timedelta) -> Forgetting:
        return Forgetting(database, keep=timedelta(1), dead_keep=timedelta(0), audit_keep=keep)

    assert await keeper(timedelta(0)).forget_audit() == 0
    assert await keeper(timedelta(days=7)).forget_audit() == 0
    assert await keeper(timedelta(days=2)).forget_audit() == 3
    assert await reasons(admin) == ["younger"]


@pytest.mark.parametrize("path", ["/audit", "/audit?actor=ann&queue=mail", "/audit?cursor=x"])
async def test_the_page_is_whole_and_shows_a_fault_as_one(house: House, path: str) -> None:
    browser = await house.browser({"role": "admin"})
    await pause(browser, "mail", "<script>alert(1)</script>")
    answer = await browser.get(path)
    assert answer.status_code == (400 if "cursor" in path else 200)
    assert "<script>alert" not in answer.text
    if path == "/audit":
        assert "&lt;script&gt;alert(1)" in answer.text
