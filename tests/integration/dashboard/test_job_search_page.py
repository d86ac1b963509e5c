"""The page of jobs: what it shows without a script."""

from datetime import timedelta
from html import unescape
from re import findall
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from monarq.jobs.errors import StoreUnavailable

from .house import House
from .shelf import Shelf


@pytest.fixture
async def shelf(house: House, database_url: str) -> Shelf:
    shelf = Shelf(house.services.link, database_url)
    await shelf.wait("a1", "a2", tags=("eu",))
    await shelf.wait("c1", due=timedelta(days=1), kind="mail.drop")
    await shelf.end(
        {"job_id": "e1", "state": "dead", "error_type": "ValueError", "error_message": "<b>bad</b>\nmore"},
        {"job_id": "e2", "queue": "default"},
    )
    return shelf


async def look(client: httpx.AsyncClient, q: str = "", more: str = "", status: int = 200) -> str:
    answer = await client.get(f"/jobs?q={quote(q)}{more}")
    assert answer.status_code == status, answer.text
    return unescape(answer.text)


def ids(html: str) -> list[str]:
    return findall(r'<a class="id" href="/jobs/([^"]+)"', html)


async def test_a_search_shows_its_jobs_its_terms_and_how_many(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "admin"})
    assert ids(await look(browser)) == ["a1", "a2", "c1", "e2", "e1"]
    html = await look(browser, "queue:mail state:waiting")
    assert ids(html) == ["a1", "a2", "c1"]
    assert "3 jobs" in html
    assert '/jobs?q=queue%3Amail" title="Search without state:waiting' in html
    assert '<a href="/jobs?q=queue%3Amail+state%3Adead">dead</a>' in html
    assert "ValueError" in await look(browser, "state:dead", "&columns=error")
    assert "ValueError" not in await look(browser, "state:dead", "&columns=kind")


async def test_pages_are_turned_both_ways(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "admin"})
    html = await look(browser, more="&limit=2")
    found = ids(html)
    [following] = findall(r'rel="next" href="([^"]+)"', html)
    html = unescape((await browser.get(following)).text)
    found += ids(html)
    [before] = findall(r'rel="prev" href="([^"]+)"', html)
    assert ids((await browser.get(before)).text) == found[:2]
    assert found == ["a1", "a2", "c1", "e2"]
    other = following.replace("limit=2", "q=queue:mail")
    begun_anew = await browser.get(other)
    assert (begun_anew.status_code, "cursor" in begun_anew.headers["location"]) == (303, False)


async def test_a_fault_is_shown_at_its_word(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "admin"})
    html = await look(browser, 'queue:mail stat:"<x>"', status=400)
    assert "queue:mail <mark>stat</mark>:" in html
    assert "did you mean state" in html


async def test_where_nothing_fits_it_is_said_what_could_be_done(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "admin"})
    html = await look(browser, "queue:mial state:ready")
    assert "No job has had the queue" in html
    assert '<a href="/jobs?q=queue%3Amail+state%3Aready">mail</a>' in html
    assert '<a href="/jobs?q=queue%3Amial">without' in html


async def test_ticked_jobs_are_cancelled_or_retried_and_it_is_told_what_came_of_it(
    house: House, shelf: Shelf
) -> None:
    browser = await house.browser({"role": "admin"})
    form = {"ids": ["a1", "c1", "e2", "nobody"], "back": "/jobs?q=queue%3Amail"}
    answer = await browser.post("/chosen-jobs/cancel", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?q=queue%3Amail")
    html = await look(browser, "state:live")
    assert ids(html) == ["a2"]
    assert "2 jobs cancelled, or told to end" in html
    assert "1 job gone" in html
    answer = await browser.post("/chosen-jobs/retry", data={"back": "//elsewhere.example"})
    assert answer.headers["location"] == "/"
    viewer = await house.browser({"role": "viewer"})
    assert "ticked" not in (await viewer.get("/jobs")).text
    assert (await viewer.post("/chosen-jobs/cancel", data=form)).status_code == 403


async def test_a_store_that_is_away_is_not_asked_for_each_ticked_job(
    house: House, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def cancel(caller: Any, job_id: str, **_: Any) -> None:
        asked.append(job_id)
        if job_id == "c1":
            raise StoreUnavailable("away")

    monkeypatch.setattr(house.services.jobs, "cancel", cancel)
    browser = await house.browser({"role": "admin"})
    await browser.post("/chosen-jobs/cancel", data={"ids": ["a1", "c1", "e2", "e3"], "back": "/jobs"})
    assert asked == ["a1", "c1"]
    html = (await browser.get("/jobs")).text
    assert "1 job cancelled, or told to end; 3 jobs not done: the store does not answer" in html


async def test_all_jobs_of_a_search_are_handed_on_to_an_operation(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "admin"})
    html = await look(browser, "state:dead queue:mail kind:mail.send")
    assert "/operations/new?action=replay&queue=mail&kind=mail.send" in html
    html = await look(browser, "state:waiting tag:eu")
    assert "/operations/new?action=cancel&q=state%3Awaiting+tag%3Aeu" in html
    assert "Act on all 2 …" in html
    viewer = await house.browser({"role": "viewer"})
    assert "/operations/new" not in await look(viewer, "state:waiting")
    for q in ("state:dead tag:eu", "state:dead queue:mail,default", "state:succeeded", ""):
        assert "/operations/new" not in await look(browser, q)


async def test_a_search_for_live_and_ended_jobs_goes_to_an_operation_for_each_sort(
    house: House, shelf: Shelf
) -> None:
    browser = await house.browser({"role": "admin"})
    html = await look(browser, "state:waiting,dead queue:mail")
    assert "/operations/new?action=cancel&q=state%3Awaiting%2Cdead+queue%3Amail" in html
    assert "Act on those that have not ended …" in html
    assert "/operations/new?action=replay&queue=mail" in html
    assert "Replay the dead letters …" in html
    html = await look(browser, "queue:mail")
    assert "Act on those that have not ended …" in html
    assert "Replay" not in html


async def test_a_search_is_kept_under_a_name_for_its_caller_alone(house: House, shelf: Shelf) -> None:
    browser, other = await house.browser({"role": "viewer"}), await house.browser({"role": "viewer"})
    kept = await browser.post("/job-views", data={"name": "Mine <3", "query": "q=queue%3Amail&sort=due_at"})
    assert kept.headers["location"] == "/jobs?q=queue%3Amail&sort=due_at"
    assert '<a href="/jobs?q=queue%3Amail&sort=due_at">Mine <3</a>' in await look(browser)
    assert "Mine" not in await look(other)
    await browser.post("/job-views/forget", data={"name": "Mine <3"})
    await look(browser)
    assert "Mine" not in await look(browser)


async def test_a_list_that_has_not_changed_is_not_sent_again(house: House, shelf: Shelf) -> None:
    browser = await house.browser({"role": "viewer"})
    tag = (await browser.get("/jobs")).headers["etag"]
    assert (await browser.get("/jobs", headers={"if-none-match": tag})).status_code == 304


async def test_what_jobs_hold_is_no_part_of_the_page(house: House, shelf: Shelf) -> None:
    admin, viewer = await house.browser({"role": "admin"}), await house.browser({"role": "viewer"})
    raw = (await admin.get("/jobs")).text
    assert "&lt;b&gt;bad&lt;/b&gt;" in raw
    assert "<b>bad" not in raw
    assert "bad" not in (await viewer.get("/jobs")).text
    assert (await viewer.get("/jobs?q=error:bad")).status_code == 403
