"""`/events`: which topics of a page have changed, and for whom."""

from typing import Any

import pytest

from monarq.dashboard.services import events as service
from monarq.jobs.events import Event, EventType

from .house import House
from .wire import HOST, Wire, following

AT = 1_764_000_000_000
TOPICS = ("jobs", "queues", "queue:mail", "queue:default", "job:j1", "dead-letters", "workers", "audit")


def tell(house: House, what: EventType, queue: str = "mail", **facts: Any) -> None:
    house.services.bus.deliver(Event(type=what, at_ms=AT, queue=queue, **facts))


async def cookie_of(house: House, *grants: dict[str, Any]) -> str:
    browser = await house.browser(*grants)
    return f"monarq_session={browser.cookies['monarq_session']}"


async def topics_of(wire: Wire, count: int) -> set[str]:
    return {(await wire.frame())["data"]["topic"] for _ in range(count)}


async def test_a_page_is_told_which_of_its_topics_have_changed_and_no_more(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, *TOPICS, cookie=cookie) as wire:
        first = await wire.frame()
        assert first["retry"] == "3000"
        tell(house, EventType.JOB_DEAD, kind="k", job_id="j1", worker="w", by="ann")
        frames = [await wire.frame() for _ in range(5)]
        assert {frame["data"].pop("topic") for frame in frames} == {
            "jobs",
            "queues",
            "queue:mail",
            "job:j1",
            "dead-letters",
        }
        assert {tuple(frame["data"]) for frame in frames} == {("version",)}


async def test_what_nobody_on_the_page_shows_is_not_told(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "workers", cookie=cookie) as wire:
        await wire.frame()
        tell(house, EventType.JOB_DEAD, kind="k", job_id="j1")
        house.services.bus.deliver(Event(type=EventType.WORKER_STOPPED, at_ms=AT, worker="w"))
        assert await topics_of(wire, 1) == {"workers"}


async def test_a_page_is_not_told_of_what_its_reader_may_not_see(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer", "queues": ["mail"]})
    async with following(house.app, *TOPICS, cookie=cookie) as wire:
        await wire.frame()
        tell(house, EventType.JOB_DEAD, "default", kind="k", job_id="j1")
        tell(house, EventType.AUDIT_ADDED)
        tell(house, EventType.QUEUE_CHANGED)
        assert await topics_of(wire, 2) == {"queues", "queue:mail"}


async def test_a_storm_is_one_word_per_topic_and_second(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "TOPICS_EVERY", 2.0)
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", cookie=cookie) as wire:
        await wire.frame()
        for number in range(500):
            tell(house, EventType.JOB_STARTED, kind="k", job_id=str(number))
        assert await topics_of(wire, 1) == {"jobs"}
        for number in range(500):
            tell(house, EventType.JOB_STARTED, kind="k", job_id=str(number))
        with pytest.raises(TimeoutError):
            await wire.frame(within=0.15)
        assert await topics_of(wire, 1) == {"jobs"}


async def test_many_jobs_are_few_topics(house: House) -> None:
    """A job's own topic is kept only while somebody looks at that job."""
    topics = house.services.events._topics
    for number in range(1_000):
        tell(house, EventType.JOB_STARTED, kind="k", job_id=str(number))
    assert len(topics._versions) == 3


async def test_who_comes_back_is_told_what_changed_meanwhile(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", "workers", cookie=cookie) as wire:
        mark = (await wire.frame())["id"]
    tell(house, EventType.JOB_STARTED, kind="k", job_id="1")
    async with following(house.app, "jobs", "workers", cookie=cookie, last_event_id=mark) as wire:
        await wire.frame()
        assert await topics_of(wire, 1) == {"jobs"}


async def test_who_comes_back_to_another_process_fetches_all(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", cookie=cookie, last_event_id="other-3") as wire:
        assert await topics_of(wire, 1) == {"*"}


async def test_a_lost_subscription_is_told_as_a_change_of_all(house: House) -> None:
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", cookie=cookie) as wire:
        await wire.frame()
        house.services.bus.deliver(Event(type=EventType.EVENTS_MISSED, at_ms=AT))
        assert await topics_of(wire, 1) == {"*"}


async def test_a_page_s_stream_shows_that_it_lives_and_ends_when_the_server_stops(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PING_EVERY", 0.05)
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", cookie=cookie) as wire:
        await wire.frame()
        assert "data" not in await wire.frame()
        house.services.let_go()
        while (frame := await wire.frame()).get("event") != "end":
            pass
        assert frame["data"] == {"why": "stopping"}
        await_end = await wire.next()
        assert not await_end["more_body"]


async def test_a_page_s_stream_ends_with_the_login(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.05)
    browser = await house.browser({"role": "viewer"})
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    async with following(house.app, "jobs", cookie=cookie) as wire:
        await wire.frame()
        await browser.delete("/v1/sessions/current")
        frame = await wire.frame()
        assert (frame["event"], frame["data"]) == ("end", {"why": "logged_out"})


async def test_a_stream_needs_a_login_and_topics(house: House) -> None:
    assert (await house.client().get("/events?topic=jobs")).status_code == 401
    browser = await house.browser({"role": "viewer"})
    for query in ("", "?" + "&".join(f"topic=t{number}" for number in range(51)), "?topic=a&tropic=b"):
        assert (await browser.get(f"/events{query}")).status_code == 400
    assert HOST in str(browser.base_url)


async def test_the_dashboard_listens_only_while_somebody_looks(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.integration.worker.deadlines import eventually

    monkeypatch.setattr("monarq.dashboard.feed._LINGERS", 0.1)

    async def listeners() -> int:
        _, count = await house.services.link.call("PUBSUB", "NUMSUB", "monarq:events")
        return int(count)

    assert await listeners() == 0
    cookie = await cookie_of(house, {"role": "viewer"})
    async with following(house.app, "jobs", cookie=cookie) as one:
        await one.frame()
        async with following(house.app, "jobs", cookie=cookie) as two:
            await two.frame()
            assert await listeners() == 1
    await eventually(lambda: _is_zero(listeners))


async def _is_zero(count: Any) -> bool:
    return bool(await count() == 0)
