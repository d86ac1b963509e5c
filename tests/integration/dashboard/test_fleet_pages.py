"""The pages of queues and workers: what they say, and what their forms do."""

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from monarq.jobs.priority import Priority
from monarq.jobs.store.keys import ORDER, queue_keys

from .crowd import fill, report
from .house import House

CRON = {
    "queue": "mail",
    "name": "cron:digest",
    "kind": "cron:digest",
    "times": "09:00",
    "timezone": "UTC",
    "next_due_at": "2030-01-01T09:00:00+00:00",
    "last_due_at": None,
}
RUN = {"job_id": "job-1", "queue": "mail", "kind": "email.send", "attempt": 1, "age_ms": 1_500}


async def text_of(client: Any, path: str, status: int = 200) -> str:
    """What somebody reads on a page, without tags."""
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


async def test_the_overview_of_a_quiet_place_says_that_it_is_healthy(house: House) -> None:
    await report(house.services.link, "web-1", cron=[CRON])
    text = await text_of(await house.browser({"role": "viewer"}), "/")
    assert "Healthy 3 queues, 1 live worker, nothing is late." in text
    assert "cron:digest" in text


async def test_the_overview_of_a_new_place_says_what_to_start(house: House) -> None:
    text = await text_of(await house.browser({"role": "viewer"}), "/")
    assert "No worker runs and no job is ready. Start one: monarq worker" in text
    assert "Healthy" not in text


async def test_the_overview_says_what_is_wrong_and_what_to_run(house: House) -> None:
    await fill(house.services.link, "mail", ready=142)
    text = await text_of(await house.browser({"role": "viewer"}), "/")
    assert "1 problem" in text
    assert "142 ready, no worker listens on mail" in text
    assert "monarq worker --queues mail" in text


async def test_a_page_that_cannot_wait_for_a_newer_look_will_look_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No event would tell: for who looks for changes from then on, the newer look is the first."""
    browser = await house.browser({"role": "viewer"})
    assert "data-live-again" not in (await browser.get("/queues")).text
    looks = house.services.ground.snapshots.watch._shared
    seen = await looks.get()
    monkeypatch.setattr(looks, "_last", replace(seen, read_at=seen.read_at - 5))
    monkeypatch.setattr(looks, "_read", asyncio.Event().wait)
    looks.expire()
    assert "data-live-again" in (await browser.get("/queues")).text


async def test_who_sees_some_queues_sees_no_others_on_any_page(house: House) -> None:
    await fill(house.services.link, "default", ready=3)
    await report(house.services.link, "web-2", queues={"default": 0}, host="hidden-host")
    browser = await house.browser({"role": "viewer", "queues": ["mail"]})
    for path in ("/", "/queues", "/workers"):
        text = (await browser.get(path)).text
        assert "/queues/default" not in text
        assert "hidden-host" not in text
    for path in ("/queues/default", "/workers/web-2", "/queues/none", "/workers/none"):
        assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("ready", "workers", "is_paused", "said"),
    [
        (142, 0, False, "142 ready, no worker listens on mail"),
        (0, 0, False, "Nothing waits, and no worker listens on mail"),
        (0, 1, False, "Nothing waits and nothing runs"),
        (7, 1, True, "Paused by ann: it rests; 7 wait for its resume"),
    ],
)
async def test_a_queue_in_which_nothing_moves_says_why(
    house: House, ready: int, workers: int, is_paused: bool, said: str
) -> None:
    link = house.services.link
    await fill(link, "mail", ready=ready)
    for number in range(workers):
        await report(link, f"web-{number}")
    if is_paused:
        await house.services.queues._pauses.pause("mail", why="it rests", by="ann")
    text = await text_of(await house.browser({"role": "viewer"}), "/queues/mail")
    assert said in text
    assert ("monarq worker --queues mail" in text) is (workers == 0)


async def test_a_queue_shows_each_priority_and_its_pauses(house: House) -> None:
    link = house.services.link
    await fill(link, "mail", ready=3)
    await fill(link, "mail", ready=1, priority=Priority.CRITICAL)
    await house.services.queues._pauses.pause(
        "mail", kind="email.send", why="bounces", by="ann", until=timedelta(hours=1)
    )
    text = await text_of(await house.browser({"role": "viewer"}), "/queues/mail")
    assert "critical 1 0 0 0" in text
    assert "normal 3 0 0 0" in text
    assert "email.send bounces ann" in text


async def test_a_queue_is_paused_and_resumed_by_forms(house: House) -> None:
    user = await house.user({"role": "operator"})
    browser = await house.browser(user=user)
    form = {"why": "it rests", "kind": "", "minutes": "90"}
    answer = await browser.post("/queues/mail/pause", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queues/mail")
    text = await text_of(browser, "/queues/mail")
    assert "mail is paused: nothing more of it starts." in text
    assert f"the whole queue it rests {user.name}" in text
    answer = await browser.post("/queues/mail/resume", data={"kind": ""})
    assert answer.status_code == 303
    assert "mail goes on" in await text_of(browser, "/queues/mail")
    assert (await browser.get("/v1/queues/mail")).json()["pauses"] == []


async def test_a_pause_form_that_cannot_be_used_changes_nothing(house: House) -> None:
    browser = await house.browser({"role": "operator"})
    for form in ({"why": ""}, {"why": "x", "minutes": "0"}, {"why": "x", "more": "y"}, {}):
        assert (await browser.post("/queues/mail/pause", data=form)).status_code == 422
    assert (await browser.get("/v1/queues/mail")).json()["pauses"] == []


async def test_a_queue_is_purged_by_who_typed_its_name(house: House) -> None:
    await fill(house.services.link, "mail", ready=1_203)
    browser = await house.browser({"role": "admin"})
    wrong = await browser.post("/queues/mail/purge", data={"typed": "Mail", "why": "x"})
    assert wrong.status_code == 422
    answer = await browser.post("/queues/mail/purge", data={"typed": "mail", "why": "sent twice"})
    assert answer.status_code == 303
    assert "1,203 jobs are cancelled." in await text_of(browser, "/queues/mail")
    assert await house.services.link.call("ZCARD", queue_keys("mail").ranks[2]) == 0


async def test_what_one_may_not_do_is_neither_shown_nor_done(house: House) -> None:
    await report(house.services.link, "web-1")
    browser = await house.browser({"role": "viewer"})
    for path in ("/queues/mail", "/workers/web-1"):
        shown = (await browser.get(path)).text
        assert 'method="post" action="/queues' not in shown
        assert "/drain" not in shown
    for path, form in (
        ("/queues/mail/pause", {"why": "x"}),
        ("/queues/mail/resume", {}),
        ("/queues/mail/purge", {"typed": "mail", "why": "x"}),
        ("/workers/web-1/drain", {"why": "x"}),
    ):
        assert (await browser.post(path, data=form)).status_code == 403


async def test_queues_are_sorted_as_asked(house: House) -> None:
    await fill(house.services.link, "mail", ready=3)
    await fill(house.services.link, "mail.bulk", ready=7)
    browser = await house.browser({"role": "viewer"})

    async def order(query: str) -> list[str]:
        return re.findall(r'<tr data-row id="queue-([^"]*)"', (await browser.get(f"/queues{query}")).text)

    assert await order("") == ["default", "mail", "mail.bulk"]
    assert await order("?sort=-ready") == ["mail.bulk", "mail", "default"]
    assert (await browser.get("/queues?sort=colour")).status_code == 400


async def test_a_worker_shows_what_it_runs_and_is_told_to_drain(house: House) -> None:
    link = house.services.link
    await report(link, "web-1", runs=[RUN], cron=[CRON], busy=1, rss_bytes=5_000_000, version="1.2.3")
    browser = await house.browser({"role": "admin"})
    listed = await text_of(browser, "/workers")
    assert "web-1 live web 1.2.3 mail 1 of 10" in listed
    text = await text_of(browser, "/workers/web-1")
    assert "job-1 email.send mail 1 1 s" in text
    assert "5.0 MB" in text
    assert "cron:digest" in text
    answer = await browser.post("/workers/web-1/drain", data={"why": "the host is replaced"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/workers")
    assert "web-1 is told to drain" in await text_of(browser, "/workers")
    assert await link.call("EXISTS", ORDER + "web-1") == 1


async def test_without_a_worker_the_page_says_how_to_start_one(house: House) -> None:
    text = await text_of(await house.browser({"role": "viewer"}), "/workers")
    assert "Start one: monarq worker" in text


async def test_a_page_that_has_only_grown_older_is_the_same_page(house: House) -> None:
    await report(house.services.link, "web-1")
    browser = await house.browser({"role": "viewer"})
    first = await browser.get("/workers")
    again = await browser.get("/workers", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
