"""The pages of a job and of the kinds, without a script: what they show, and what their forms do."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from opentelemetry import trace

from monarq.jobs.store import keys
from monarq.jobs.store.verbs import Verb
from tests.contract.store import a_failure

from .crowd import report
from .house import House
from .test_jobs import ADMIN, HOUR, OPERATOR, enqueue, fail


def text_of(answer: Any) -> str:
    """What stands on a page, in one line."""
    assert answer.headers["content-type"].startswith("text/html"), answer.text[:300]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def show(client: Any, job_id: str) -> Any:
    answer = await client.get(f"/jobs/{quote(job_id, safe='')}")
    assert answer.status_code == 200, text_of(answer)
    return answer


async def post(client: Any, path: str, **form: str) -> Any:
    return await client.post(path, data=form)


async def test_a_job_that_runs_tells_since_when_to_who_may_see_its_worker(house: House) -> None:
    job_id = await enqueue(house)
    await house.store.claim(worker="web-1")
    run = {"job_id": job_id, "queue": "mail", "kind": "mail.send", "attempt": 1, "age_ms": 600_000}
    await report(house.services.link, "web-1", ago=0, runs=[run])
    told = text_of(await show(await house.browser(OPERATOR), job_id))
    assert re.search(r"Attempt 1 runs \S+ \S+ UTC \( 10 min ago \) . web-1", told), told
    sees_jobs = await house.browser({"permissions": ["jobs:read"]})
    assert "Attempt 1 runs web-1" in text_of(await show(sees_jobs, job_id))


async def test_a_page_tells_what_a_job_has_been_through(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house, tags=["eu"])
    await fail(house, job_id, Verb.RETRYING, delay=HOUR)
    told = text_of(await show(browser, job_id))
    for words in ("retrying", "Enqueued", "Attempt 1 failed", "no such user", "Next try", "mail.send", "eu"):
        assert words in told, words
    await fail(house, job_id, spent=2)
    told = text_of(await show(browser, job_id))
    for words in ("dead", "Attempt 2 failed", "Became a dead letter", "Retry now", "Same error"):
        assert words in told, words


async def test_arguments_and_results_are_exact(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house, args={"user_id": 2**80 + 1})
    await house.run_one(job_id, result={"big": 2**70 + 1, "list": [1.5, None, True, "<b>"]})
    answer = await show(browser, job_id)
    told = text_of(answer)
    assert str(2**80 + 1) in told
    assert str(2**70 + 1) in told
    assert "<b>" not in answer.text
    assert "<b>" in told


async def test_a_large_payload_is_shown_in_part_and_says_so(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house, args={"user_id": 1, "subject": "x" * 50_000})
    answer = await show(browser, job_id)
    assert "characters more" in text_of(answer)
    assert len(answer.text) < 120_000


async def test_who_may_not_see_payloads_sees_the_job_without(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    job_id = await enqueue(house, args={"user_id": 1, "subject": "private words"})
    await fail(house, job_id)
    answer = await show(browser, job_id)
    assert "private words" not in answer.text
    assert "no such user" not in answer.text
    assert "for those who may see payloads" in text_of(answer)
    assert "Retry now" not in answer.text


async def test_nothing_is_offered_that_the_caller_may_not_do(house: House) -> None:
    job_id = await enqueue(house, delay=3600)
    offers = {
        "viewer": [],
        "operator": ["Cancel"],
        "admin": ["Run now", "Reschedule", "Priority", "Edit and enqueue anew", "Cancel"],
    }
    for role, offered in offers.items():
        answer = await show(await house.browser({"role": role}), job_id)
        actions = answer.text.partition('id="job-actions"')[2].partition('id="job"')[0]
        for words in offers["admin"]:
            assert (words in actions) == (words in offered), (role, words)


async def test_a_dead_job_is_retried_by_a_form(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house)
    await fail(house, job_id)
    answer = await post(browser, f"/jobs/{job_id}/retry")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/jobs/{job_id}")
    told = text_of(await show(browser, job_id))
    assert "It is ready again" in told
    assert "Replayed" in told


async def test_a_job_is_moved_and_cancelled_by_forms(house: House) -> None:
    browser = await house.browser(ADMIN)
    job_id = await enqueue(house, delay=3600)
    assert (await post(browser, f"/jobs/{job_id}/reschedule", delay="0", at="")).status_code == 303
    assert await house.store.state(job_id) == "ready"
    assert (await post(browser, f"/jobs/{job_id}/reschedule", delay="60")).status_code == 303
    assert await house.store.state(job_id) == "scheduled"
    assert (await post(browser, f"/jobs/{job_id}/priority", priority="low")).status_code == 303
    refused = await post(browser, f"/jobs/{job_id}/reschedule", delay="", at="")
    assert (refused.status_code, "name either at or delay" in text_of(refused)) == (422, True)
    assert (await post(browser, f"/jobs/{job_id}/cancel", reason="wrong list")).status_code == 303
    told = text_of(await show(browser, job_id))
    assert "It is cancelled." in told
    assert "wrong list" in told
    late = await post(browser, f"/jobs/{job_id}/reschedule", delay="0")
    assert late.status_code == 409


@pytest.mark.parametrize("job_id", ["a/retry", "ü?#&%", "<script>alert(1)</script>", "{mail}:x", "a b"])
async def test_a_job_with_any_id_has_a_page_and_forms_that_work(house: House, job_id: str) -> None:
    body = b'{"t":null,"f":"<img src=x>","a":[1],"k":{"</script>":"&"},"et":1764000000000}'
    await house.services.link.call("SET", keys.JOB + job_id, body)
    due = await house.store.now() + 3_600_000
    await house.services.link.call("ZADD", house.store.queue.ranks[2], due, job_id)
    browser = await house.browser(ADMIN)
    answer = await show(browser, job_id)
    assert "<script>alert" not in answer.text
    assert "<img" not in answer.text
    [action] = {unescape(one) for one in re.findall(r'action="([^"]*/reschedule)"', answer.text)}
    answer = await post(browser, action, delay="0")
    assert answer.status_code == 303, text_of(answer)
    assert (await browser.get(answer.headers["location"])).status_code == 200
    assert await house.store.state(job_id) == "ready"


async def test_a_job_that_is_not_there_or_hidden_is_a_page_that_says_no_more(house: House) -> None:
    job_id = await enqueue(house)
    browser = await house.browser({**ADMIN, "queues": ["default"]})
    for one in (job_id, "none"):
        answer = await browser.get(f"/jobs/{one}")
        assert (answer.status_code, "There is no such job" in text_of(answer).replace("there", "There")) == (
            404,
            True,
        )


async def test_a_job_can_be_copied_as_a_command(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house, args={"user_id": 7, "subject": "it's"}, priority="low")
    told = unescape((await show(browser, job_id)).text)
    assert "curl -X POST http://localhost:8080/v1/jobs" in told
    assert "monarq enqueue mail.send --args" in told
    assert "from tests.integration.dashboard.kinds import send_mail" in told
    assert """send_mail.of(user_id=7, subject="it's"), queue='mail', priority='low'""" in told


# --- enqueue anew


async def test_a_job_is_enqueued_anew_with_other_arguments_and_the_old_one_stays(house: House) -> None:
    browser = await house.browser(ADMIN)
    old = await enqueue(house, args={"user_id": 7, "password": "hunter2"})
    await fail(house, old)
    form = await browser.get(f"/jobs/{old}/again")
    assert 'name="args.user_id" value="7"' in form.text
    assert "hunter2" not in form.text
    filled = {"args.user_id": "8", "args.password": "[hidden]", "queue": "mail", "priority": "low"}
    answer = await browser.post(f"/jobs/{old}/again", data=filled)
    assert answer.status_code == 303, text_of(answer)
    made = answer.headers["location"].removeprefix("/jobs/")
    envelope = await house.envelope(made)
    assert envelope.kwargs == {"user_id": 8, "password": "hunter2"}
    assert (await house.store.inspect(old)).what == "ended"
    assert house.services.database is not None
    async with house.services.database.unit() as unit:
        [act] = await unit.audit.list(action="job.enqueue")
    assert act.detail["like"] == old


# --- kinds


async def test_the_kinds_are_listed_for_those_who_may_see_their_jobs(house: House) -> None:
    told = text_of(await (await house.browser({"role": "viewer"})).get("/kinds"))
    assert "mail.send" in told
    assert "order.place" in told
    some = text_of(await (await house.browser({"role": "viewer", "kinds": ["order.*"]})).get("/kinds"))
    assert "mail.send" not in some
    assert "order.place" in some
    hidden = await (await house.browser({"role": "viewer", "kinds": ["order.*"]})).get("/kinds/mail.send")
    assert hidden.status_code == 404


async def test_a_form_made_from_the_schema_enqueues_a_job(house: House) -> None:
    browser = await house.browser({"role": "producer"})
    assert (await browser.get("/kinds/order.place")).status_code == 200
    filled = {
        "args.lines": '[{"sku": "x", "count": 3}]',
        "args.at": "2030-01-01T00:00:00Z",
        "args.raw": "",
        "delay": "60",
        "tags": "eu, vip",
    }
    answer = await browser.post("/kinds/order.place", data=filled)
    assert answer.status_code == 303, text_of(answer)
    made = answer.headers["location"].removeprefix("/jobs/")
    envelope = await house.envelope(made)
    assert envelope.kwargs == {"lines": [{"sku": "x", "count": 3}], "at": "2030-01-01T00:00:00Z"}
    assert envelope.tags[:2] == ["eu", "vip"]
    assert await house.store_of("default").state(made) == "scheduled"
    assert (await browser.get(answer.headers["location"])).status_code == 200


@pytest.mark.parametrize(
    ("form", "field", "fault"),
    [
        ({}, "args.lines", "Field required"),
        ({"args.lines": "[1", "args.at": "2030-01-01T00:00:00Z"}, "args.lines", "this is not JSON"),
        ({"args.lines": '[{"sku": 1}]', "args.at": "2030-01-01T00:00:00Z"}, "args.lines", "0.sku"),
        ({"args.lines": "[]", "args.at": "tomorrow"}, "args.at", "valid datetime"),
        ({"args.lines": "[]", "args.at": "2030-01-01T00:00:00Z", "delay": "soon"}, "delay", "no number"),
        ({"args.lines": "[]", "args.at": "2030-01-01T00:00:00Z", "at": "soon"}, "at", "2030"),
        ({"args.lines": "[]", "args.at": "2030-01-01T00:00:00Z", "job_id": "no id"}, "job_id", "is no id"),
        ({"args.lines": "[]", "args.at": "2030-01-01T00:00:00Z", "queue": "no queue"}, "queue", "not a name"),
    ],
)
async def test_what_is_wrong_is_told_at_its_field_and_what_was_typed_stays(
    house: House, form: dict[str, str], field: str, fault: str
) -> None:
    browser = await house.browser({"role": "producer"})
    answer = await browser.post("/kinds/order.place", data={"tags": "typed-before", **form})
    assert answer.status_code == 422
    prefix = "f-" if field.startswith("args.") else "o-"
    told = answer.text.partition(f'id="{prefix}{field}-fault">')[2].partition("</span>")[0]
    assert fault in unescape(told), text_of(answer)
    assert "typed-before" in answer.text
    for value in form.values():
        assert unescape(answer.text).count(value) >= 1
    assert await house.services.link.call("KEYS", f"{keys.JOB}*") == []


async def test_a_kind_that_refuses_a_second_job_says_so(house: House) -> None:
    browser = await house.browser({"role": "producer"})
    assert (await browser.post("/kinds/report.build", data={"args.month": "x"})).status_code == 303
    answer = await browser.post("/kinds/report.build", data={"args.month": "x"})
    assert (answer.status_code, "unique" in text_of(answer)) == (422, True)


async def test_who_may_not_enqueue_gets_no_form_and_no_job(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    assert "<textarea" not in (await browser.get("/kinds/order.place")).text
    assert (await browser.post("/kinds/order.place", data={})).status_code == 403


async def test_a_failure_that_ended_long_ago_is_shown_with_its_backoff(house: House) -> None:
    browser = await house.browser(OPERATOR)
    job_id = await enqueue(house)
    began = await house.store.now() - 100_000
    for number in (1, 2):
        at = began + number * 30_000
        failure = replace(a_failure(number), started_ms=at, ended_ms=at + 1_500)
        await house.run_one(job_id, verb=Verb.RETRYING, delay=timedelta(0), failure=failure)
    told = text_of(await show(browser, job_id))
    assert "Attempt 1 failed after 1.50 s" in told
    assert "28.5 s later" in told


async def test_what_was_done_by_hand_is_shown_to_those_who_may_read_the_audit(house: House) -> None:
    user = await house.user(ADMIN)
    browser = await house.browser(user=user)
    job_id = await enqueue(house, delay=3600)
    await post(browser, f"/jobs/{job_id}/priority", priority="low")
    told = text_of(await show(browser, job_id))
    assert "Done by hand" in told
    assert "job.priority" in told
    assert user.name in told
    assert "job.priority" not in text_of(await show(await house.browser({"role": "viewer"}), job_id))


async def test_a_job_leads_to_the_trace_that_it_was_enqueued_in(open_house: Callable[..., Any]) -> None:
    house = await open_house(trace_url="https://traces.example/t/{trace_id}?orgId=1")
    trace_id = "ab" * 16
    sender = trace.SpanContext(int(trace_id, 16), 1, is_remote=False, trace_flags=trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(sender)):
        job_id = await enqueue(house)
    address = f'href="https://traces.example/t/{trace_id}?orgId=1"'
    browser = await house.browser(OPERATOR)
    assert address in (await show(browser, job_id)).text
    await fail(house, job_id)
    assert address in (await show(browser, job_id)).text, "a dead letter tells it, too"
    assert (await browser.get(f"/v1/jobs/{job_id}")).json()["trace_id"] == trace_id
