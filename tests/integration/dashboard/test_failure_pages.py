"""The pages of dead letters, failures and operations, as a browser without scripts sees them."""

import re
from typing import Any

import pytest

from monarq.dashboard.pages import failures
from monarq.jobs.store.keys import queue_keys
from tests.integration.cli.burial import bury
from tests.integration.worker.deadlines import eventually

from .house import House

XSS = "<script>alert(1)</script>"
ADMIN = {"role": "admin"}


@pytest.fixture
async def filled(house: House) -> House:
    link = house.services.link
    await bury(link, *(f"m{number:02}" for number in range(60)), queue="mail", message="no row 7")
    await bury(link, "x1", kind="shop.pay", error_type="KeyError", message=XSS)
    return house


async def text_of(client: Any, path: str) -> str:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    assert "<script>alert" not in answer.text
    return str(answer.text)


async def follow(client: Any, path: str, fields: dict[str, Any]) -> Any:
    answer = await client.post(path, data=fields)
    assert answer.status_code == 303, answer.text
    return await client.get(answer.headers["location"])


async def test_failures_are_listed_with_their_numbers_and_lead_to_their_pages(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    text = await text_of(browser, "/failures")
    assert "no row 7" in text
    assert '<svg class="sparkline"' in text
    fingerprint = re.findall(r'href="/failures/([0-9a-f]{16})"', text)[0]
    group = await text_of(browser, f"/failures/{fingerprint}")
    for told in ("no row 7", "mail", "60", "Newest traceback", "By day"):
        assert told in group
    assert "No failure fits" in await text_of(browser, "/failures?queue=nowhere")


async def test_failures_turn_pages(filled: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "_SHOWN", 1)
    browser = await filled.browser({"role": "operator"})
    first = (await browser.get("/failures")).text
    [following] = re.findall(r'rel="next" href="([^"]+)"', first)
    second = (await browser.get(following)).text
    seen = [set(re.findall(r'id="failure-(\w+)"', page)) for page in (first, second)]
    assert [len(one) for one in seen] == [1, 1]
    assert seen[0] != seen[1]
    assert 'rel="next"' not in second


async def test_who_may_not_see_words_or_act_is_shown_neither(filled: House) -> None:
    browser = await filled.browser({"role": "viewer"})
    for path in ("/failures", "/dead-letters"):
        text = await text_of(browser, path)
        assert "no row" not in text
        assert "Replay" not in text
        assert "Discard" not in text
    assert 'name="text"' not in await text_of(browser, "/dead-letters")


async def test_what_is_out_of_scope_is_on_no_page(filled: House) -> None:
    browser = await filled.browser({"role": "operator", "queues": ["default"]})
    for path in ("/failures", "/dead-letters"):
        text = await text_of(browser, path)
        assert "KeyError" in text
        assert "mail" not in text


async def test_dead_letters_turn_pages_and_are_counted(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    text = await text_of(browser, "/dead-letters?queue=mail")
    assert "60 dead letters" in text
    assert text.count('name="ids"') == 50
    following = re.search(r'rel="next" href="([^"]+)"', text)
    assert following
    second = await text_of(browser, following[1].replace("&amp;", "&"))
    assert second.count('name="ids"') == 10
    assert 'rel="prev"' in second
    assert (await browser.get("/dead-letters?after=yesterday")).status_code == 400
    assert "No dead letter fits" in await text_of(browser, "/dead-letters?after=2100-01-01T00:00&queue=")


async def test_all_that_fit_are_replayed_by_way_of_a_page_that_counts_them(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    asked = await follow(browser, "/operations/plan", {"action": "replay", "queue": "mail"})
    assert "Replay 60 dead letters?" in asked.text
    assert "queue mail" in asked.text
    path = asked.url.path
    assert await filled.services.link.call("ZCARD", queue_keys("mail").ranks[2]) == 0
    begun = await follow(browser, f"{path}/begin", {"rate": ""})
    assert "Replay 60 dead letters" in begun.text

    async def is_done() -> bool:
        return "state-done" in await text_of(browser, path)

    await eventually(is_done)
    assert await filled.services.link.call("ZCARD", queue_keys("mail").ranks[2]) == 60
    assert path in await text_of(browser, "/operations")


async def test_chosen_letters_alone_are_discarded(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    asked = await follow(browser, "/operations/plan", {"action": "discard", "ids": ["m01", "m02"]})
    assert "Discard 2 dead letters?" in asked.text
    assert "gone for good" in asked.text
    path = asked.url.path
    await follow(browser, f"{path}/begin", {"rate": "50"})

    async def is_done() -> bool:
        return "state-done" in await text_of(browser, path)

    await eventually(is_done)
    assert "58 dead letters" in await text_of(browser, "/dead-letters?queue=mail")


async def test_an_operation_is_cancelled_on_its_page(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    asked = await follow(browser, "/operations/plan", {"action": "replay"})
    path = asked.url.path
    begun = await follow(browser, f"{path}/begin", {"rate": "1"})
    assert "Cancel the operation" in begun.text
    await follow(browser, f"{path}/cancel", {})

    async def is_cancelled() -> bool:
        return "state-cancelled" in await text_of(browser, path)

    await eventually(is_cancelled)
    assert (await browser.post(f"{path}/begin", data={"rate": "fast"})).status_code == 400


async def test_a_failure_is_snoozed_and_woken(filled: House) -> None:
    browser = await filled.browser(ADMIN)
    text = await text_of(browser, "/failures?queue=mail")
    found = re.search(r'href="/failures/([0-9a-f]{16})"', text)
    assert found
    told = await follow(browser, f"/failures/{found[1]}/snooze", {"span": "day", "why": "it can wait"})
    assert "Nobody sees this failure" in told.text
    assert "no row 7" not in told.text
    assert "it can wait" in await text_of(browser, "/failures?snoozed=true")
    await follow(browser, f"/failures/{found[1]}/wake", {})
    assert "no row 7" in await text_of(browser, "/failures")


async def test_empty_pages_say_what_would_be_there(house: House) -> None:
    browser = await house.browser(ADMIN)
    assert "No dead letters" in await text_of(browser, "/failures")
    assert "No dead letters" in await text_of(browser, "/dead-letters")
    assert "No operation" in await text_of(browser, "/operations")
    asked = await follow(browser, "/operations/plan", {"action": "replay"})
    assert "There is nothing to do" in asked.text
