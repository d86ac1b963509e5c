"""`/v1/jobs/{id}`: what may be seen of one job, and what may be done to it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from monarq.dashboard.access.permissions import Permission
from monarq.jobs.priority import Priority
from monarq.jobs.redaction import HIDDEN
from monarq.jobs.store import keys
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.moving import move_job
from monarq.jobs.store.verbs import Verb
from monarq.producer.producer import Producer
from tests.contract.store import a_job

from .house import House
from .one_job import act, enqueue, fail, told

HOUR = timedelta(hours=1)
OPERATOR, ADMIN = {"role": "operator"}, {"role": "admin"}


# --- looking


async def test_each_state_of_a_job_is_told_with_what_is_known_of_it(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house, delay=3600, expires_in=7200, tags=["eu"])
    job = await told(program, job_id)
    assert (job["state"], job["queue"], job["kind"], job["priority"]) == (
        "scheduled",
        "mail",
        "mail.send",
        "high",
    )
    assert (job["args"], job["tags"], job["starts"]) == ({"user_id": 7}, ["post", "eu"], 0)
    due, enqueued = (datetime.fromisoformat(job[name]) for name in ("due_at", "enqueued_at"))
    assert due - enqueued == HOUR
    assert datetime.fromisoformat(job["expires_at"]) - enqueued == 2 * HOUR

    await house.store.at(job_id, await house.store.now())
    assert (await told(program, job_id))["state"] == "ready"

    [claimed] = await house.store.claim(worker="web-1.7")
    job = await told(program, job_id)
    assert (job["state"], job["worker"], job["starts"], job["due_at"]) == ("running", "web-1.7", 1, None)
    assert job["lease_until"] is not None
    assert claimed.job_id == job_id


async def test_what_went_wrong_is_told_attempt_by_attempt(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await fail(house, job_id, Verb.RETRYING, delay=HOUR)
    job = await told(program, job_id)
    assert (job["state"], job["attempts_spent"], job["starts"]) == ("retrying", 1, 1)
    assert [one["error"]["message"] for one in job["attempts"]] == ["no such user"]
    await fail(house, job_id, spent=2)
    job = await told(program, job_id)
    assert (job["state"], job["attempts_spent"], job["starts"]) == ("dead", 2, 2)
    assert job["error"]["message"] == "no such user"
    assert job["ended_at"] is not None


async def test_a_result_is_told_as_long_as_it_is_kept(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await house.run_one(job_id, result={"size": 2**63, "password": "hunter2"})
    job = await told(program, job_id)
    assert (job["state"], job["result"]) == ("succeeded", {"size": 2**63, "password": HIDDEN})
    await house.services.link.call("DEL", keys.RESULT + job_id)
    assert (await program.get(f"/v1/jobs/{job_id}")).status_code == 404


async def test_a_job_that_redis_has_forgotten_is_told_by_the_history(house: House) -> None:
    from monarq.jobs.store.postgres.history_writing import record
    from monarq.jobs.store.postgres.repositories.attempts import AttemptRow
    from monarq.jobs.store.postgres.repositories.jobs import EndedJob, JobRow

    now = datetime.now(UTC)
    row = JobRow(
        "gone", now, "succeeded", "mail", "mail.send", "high", ["eu"], "w1", 2, 2, now, now, 5, 1,
        None, None, None, None, None, '{"user_id":7}', '"ok"',
    )  # fmt: skip
    attempt = AttemptRow("gone", now, 1, "error", "ValueError", "boom", "Traceback", "w1", now, now)
    assert house.services.database is not None
    assert await record(house.services.database, [EndedJob(row, [attempt])]) == []
    job = await told(await house.program(OPERATOR), "gone")
    assert (job["state"], job["result"], job["args"]) == ("succeeded", "ok", {"user_id": 7})
    assert [one["error"]["traceback"] for one in job["attempts"]] == ["Traceback"]
    hidden = await told(await house.program({"role": "viewer"}), "gone")
    assert (hidden["result"], hidden["attempts"][0]["error"]["message"]) == (None, None)


async def test_arguments_results_and_words_of_errors_are_for_those_who_may_see_payloads(house: House) -> None:
    job_id = await enqueue(house, args={"user_id": 7, "password": "hunter2"})
    await fail(house, job_id, Verb.RETRYING, delay=HOUR)
    shown = await told(await house.program(OPERATOR), job_id)
    assert shown["args"] == {"user_id": 7, "password": HIDDEN}
    assert shown["payload_hidden"] is False
    viewer = await house.program({"role": "viewer"})
    answer = await viewer.get(f"/v1/jobs/{job_id}")
    hidden = answer.json()
    assert (hidden["args"], hidden["result"], hidden["payload_hidden"]) == (None, None, True)
    assert (hidden["error"]["message"], hidden["error"]["traceback"]) == (None, None)
    assert "no such user" not in answer.text
    assert "no such user" not in (await viewer.get(f"/v1/jobs/{job_id}/why")).text


async def test_a_job_in_a_hidden_queue_or_of_a_hidden_kind_is_not_there(house: House) -> None:
    job_id = await enqueue(house)
    for grant in ({**ADMIN, "queues": ["default"]}, {**ADMIN, "kinds": ["order.*"]}):
        program = await house.program(grant)
        missing = await program.get("/v1/jobs/none")
        for path in ("", "/why"):
            answer = await program.get(f"/v1/jobs/{job_id}{path}")
            assert (answer.status_code, answer.json()["detail"]) == (404, missing.json()["detail"])
        for verb, body in (
            ("retry", {}),
            ("cancel", {}),
            ("reschedule", {"delay": 0}),
            ("priority", {"priority": "low"}),
        ):
            assert (await act(program, job_id, verb, **body)).status_code == 404
    assert await house.store.state(job_id) == "ready"


@pytest.mark.parametrize("job_id", ["a/b", "a b", "ü?#&%", "a\nb", "{mail}:x", "bulk", "..%2f", "a//b"])
async def test_an_id_may_hold_anything(house: House, job_id: str) -> None:
    body = b'{"t":null,"f":"mail.send","a":[1],"k":{},"et":1764000000000}'
    await house.services.link.call("SET", keys.JOB + job_id, body)
    await house.services.link.call("ZADD", house.store.queue.ranks[2], await house.store.now(), job_id)
    program = await house.program(ADMIN)
    assert (await told(program, job_id))["args"] == {"*": [1]}
    assert (await act(program, job_id, "priority", priority="low")).json()["priority"] == "low"
    assert (await program.get(f"/v1/jobs/{quote(job_id, safe='')}/why")).json()["job_id"] == job_id


async def test_an_id_may_end_like_a_route(house: House) -> None:
    """`/v1/jobs/a%2Fwhy` is the job `a/why`; `/v1/jobs/a/why` asks why `a` is where it is."""
    ends = ("why", "retry", "cancel")
    for job_id in ("a", *(f"a/{end}" for end in ends)):
        body = b'{"t":null,"f":"mail.send","a":[1],"k":{},"et":1764000000000}'
        await house.services.link.call("SET", keys.JOB + job_id, body)
        await house.services.link.call("ZADD", house.store.queue.ranks[2], await house.store.now(), job_id)
    program = await house.program(ADMIN)
    for end in ends:
        whole = f"/v1/jobs/a%2F{end}"
        assert (await program.get(whole)).json()["id"] == f"a/{end}"
        assert (await program.post(whole, json={})).status_code == 405, "nothing is done to the job `a`"
        assert (await program.get(f"{whole}/why")).json()["job_id"] == f"a/{end}"
        assert (await program.post(f"{whole}/cancel", json={})).json()["state"] == "cancelled"
    assert (await program.get("/v1/jobs/a/why")).json()["job_id"] == "a"
    assert (await program.get("/v1/jobs/a")).json()["state"] == "ready"


async def test_a_job_whose_envelope_cannot_be_read_is_told_to_those_who_see_every_kind(house: House) -> None:
    job_id = await enqueue(house)
    await house.services.link.call("SET", keys.JOB + job_id, b"\x80")
    job = await told(await house.program(OPERATOR), job_id)
    assert (job["kind"], job["args"], job["state"]) == (None, None, "ready")
    some = await house.program({**OPERATOR, "kinds": ["mail.*"]})
    assert (await some.get(f"/v1/jobs/{job_id}")).status_code == 404


async def test_why_says_what_the_command_line_says(house: House) -> None:
    job_id = await enqueue(house)
    answer = await (await house.program({"role": "viewer"})).get(f"/v1/jobs/{job_id}/why")
    assert (answer.json()["state"], answer.json()["facts"]["queue"]) == ("ready", "mail")
    assert "no live worker" in answer.json()["sentence"]


async def test_without_postgresql_all_that_lives_is_told(open_house: Any) -> None:
    house = await open_house(
        with_database=False,
        tokens={
            "t": {"sha256": "0" * 64, "grants": [OPERATOR], "expires_at": "2999-01-01T00:00:00Z"},
        },
    )
    job_id = await enqueue(house)
    await fail(house, job_id)
    _, view = await house.services.jobs._find(job_id)
    assert (view.state, view.error.message) == ("dead", "no such user")
    assert (await house.services.jobs._find("none"))[1] is None


# --- steering


async def test_a_dead_job_is_replayed_and_says_by_whom(house: House) -> None:
    user = await house.user(OPERATOR)
    browser = await house.browser(user=user)
    job_id = await enqueue(house)
    await fail(house, job_id)
    answer = await act(browser, job_id, "retry")
    assert (answer.status_code, answer.json()["state"]) == (200, "ready")
    [replay] = answer.json()["replays"]
    assert replay["by"] == user.name
    again = await act(browser, job_id, "retry")
    assert (again.status_code, again.json()["state"]) == (200, "ready")
    assert (await house.store.stats())["replayed"] == 1


async def test_a_job_that_waits_out_its_backoff_starts_now(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await fail(house, job_id, Verb.RETRYING, delay=HOUR)
    assert (await act(program, job_id, "retry")).json()["state"] == "ready"
    assert [job.job_id for job in await house.store.claim()] == [job_id]


@pytest.mark.parametrize("state", ["running", "succeeded", "scheduled"])
async def test_a_job_in_another_state_cannot_be_retried_and_its_state_is_told(
    house: House, state: str
) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house, delay=3600 if state == "scheduled" else 0)
    if state == "running":
        await house.store.claim()
    elif state == "succeeded":
        await house.run_one(job_id)
    answer = await act(program, job_id, "retry")
    assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (
        409,
        "state_conflict",
        state,
    )


async def test_a_waiting_job_is_cancelled_with_who_and_why(house: House) -> None:
    user = await house.user(OPERATOR)
    browser = await house.browser(user=user)
    job_id = await enqueue(house)
    job = (await act(browser, job_id, "cancel", reason="wrong list")).json()
    assert (job["state"], job["cancelled_by"], job["cancel_reason"]) == ("cancelled", user.name, "wrong list")
    assert (await act(browser, job_id, "cancel")).json()["state"] == "cancelled"
    assert (await house.store.stats())["cancelled"] == 1


async def test_a_running_job_is_asked_to_stop(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await house.store.claim()
    job = (await act(program, job_id, "cancel")).json()
    assert (job["state"], job["cancel_asked_at"] is not None) == ("running", True)


async def test_it_is_too_late_to_cancel_what_has_ended(house: House) -> None:
    program = await house.program(OPERATOR)
    job_id = await enqueue(house)
    await house.run_one(job_id)
    answer = await act(program, job_id, "cancel")
    assert (answer.status_code, answer.json()["state"]) == (409, "succeeded")


async def test_a_job_is_put_off_brought_forward_and_given_another_priority(house: House) -> None:
    program = await house.program(ADMIN)
    job_id = await enqueue(house)
    at = datetime.now(UTC).replace(microsecond=0) + HOUR
    job = (await act(program, job_id, "reschedule", at=at.isoformat())).json()
    assert (job["state"], datetime.fromisoformat(job["due_at"])) == ("scheduled", at)
    assert (await act(program, job_id, "reschedule", delay=0)).json()["state"] == "ready"
    assert (await act(program, job_id, "priority", priority="critical")).json()["priority"] == "critical"
    assert await house.store.priority(job_id) is Priority.CRITICAL


@pytest.mark.parametrize("body", [{}, {"at": "2030-01-01T00:00:00Z", "delay": 1}, {"delay": -1}, {"at": "x"}])
async def test_a_time_that_cannot_be_used_is_refused(house: House, body: dict[str, Any]) -> None:
    program = await house.program(ADMIN)
    assert (await act(program, await enqueue(house), "reschedule", **body)).status_code == 422


async def test_a_time_past_its_own_deadline_is_refused(house: House) -> None:
    program = await house.program(ADMIN)
    job_id = await enqueue(house, expires_in=60)
    answer = await act(program, job_id, "reschedule", at=(datetime.now(UTC) + HOUR).isoformat())
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/at")


async def test_what_runs_or_has_ended_is_not_moved_and_its_state_is_told(house: House) -> None:
    program = await house.program(ADMIN)
    job_id = await enqueue(house)
    await house.store.claim()
    for verb, body in (("reschedule", {"delay": 5}), ("priority", {"priority": "low"})):
        answer = await act(program, job_id, verb, **body)
        assert (answer.status_code, answer.json()["state"]) == (409, "running")


async def test_what_a_caller_sees_and_may_not_change_is_refused(house: House) -> None:
    job_id = await enqueue(house)
    viewer = await house.program(
        {"role": "viewer"},
        {"permissions": [str(Permission.JOBS_CANCEL), str(Permission.JOBS_EDIT)], "queues": ["default"]},
    )
    for verb, body in (("cancel", {}), ("reschedule", {"delay": 0}), ("priority", {"priority": "low"})):
        answer = await act(viewer, job_id, verb, **body)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


async def test_a_change_for_a_version_that_is_no_more_is_refused(house: House) -> None:
    program = await house.program(ADMIN)
    job_id = await enqueue(house)
    tag = (await program.get(f"/v1/jobs/{job_id}")).headers["etag"]
    assert not tag.startswith("W/")
    same = await program.get(f"/v1/jobs/{job_id}", headers={"if-none-match": tag})
    assert same.status_code == 304
    sent = {"headers": {"if-match": tag}, "json": {"priority": "low"}}
    first = await program.post(f"/v1/jobs/{job_id}/priority", **sent)
    assert first.status_code == 200
    stale = await program.post(f"/v1/jobs/{job_id}/priority", **sent)
    assert (stale.status_code, stale.headers["etag"]) == (412, first.headers["etag"])


async def test_a_renewed_lease_is_no_new_version(house: House) -> None:
    program = await house.program(ADMIN)
    job_id = await enqueue(house)
    await house.store.claim()
    before = (await program.get(f"/v1/jobs/{job_id}")).headers["etag"]
    await house.store.at(job_id, await house.store.now() + 99_000)
    assert (await program.get(f"/v1/jobs/{job_id}")).headers["etag"] == before


async def test_every_change_of_a_job_stands_in_the_audit(house: House) -> None:
    user = await house.user(ADMIN)
    browser = await house.browser(user=user)
    job_id = await enqueue(house, delay=3600)
    await act(browser, job_id, "priority", priority="low")
    await act(browser, job_id, "reschedule", delay=0)
    await act(browser, job_id, "cancel", reason="x")
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        acts = await unit.audit.list(subject=job_id)
    assert {act.action for act in acts} == {"job.priority", "job.reschedule", "job.cancel"}
    assert {act.actor for act in acts} == {user.name}


async def test_a_durable_job_that_is_moved_is_moved_in_postgresql_too(house: House) -> None:
    database = house.services.database
    assert database is not None
    async with Producer(house.settings) as producer:
        handle = await producer.enqueue(house.kinds["audit.keep"].of())
    queue = queue_keys("default")
    await house.store_of("default").enqueue(a_job(handle.job_id, durable=True))
    moved = await move_job(
        house.services.link, database, queue, handle.job_id, due=HOUR, priority=Priority.LOW
    )

    async def look(connection: Any) -> Any:
        return await connection.fetchrow(
            "SELECT due_at, rank FROM monarq.durable_jobs WHERE job_id = $1", handle.job_id
        )

    row = await database.read(look)
    assert (row["due_at"], row["rank"]) == (moved.visible_at, 3)
