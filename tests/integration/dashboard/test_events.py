"""`WS /v1/events`: what an app hears, what it must not hear, and how a stream ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from monarq.dashboard.access.ownership import owner_tag
from monarq.dashboard.bus import MOST_WAITING
from monarq.dashboard.services import events as service
from monarq.jobs.events import Event, EventType
from monarq.jobs.store.connection import Link
from monarq.jobs.store.event_bus import EventSender
from tests.integration.worker.deadlines import always, eventually

from .house import House
from .wire import Wire, listening, socket

AT = 1_764_000_000_000


def event(what: EventType, queue: str = "mail", **facts: Any) -> Event:
    return Event(type=what, at_ms=AT, queue=queue, **facts)


@pytest.fixture
async def teller(house: House) -> AsyncIterator[EventSender]:
    """A worker somewhere else that tells events."""
    link = Link(house.services.link.address)
    yield EventSender(link)
    await link.close()


async def bearer(house: House, *grants: dict[str, Any]) -> str:
    secret, _ = await house.token(*grants)
    return f"Bearer {secret}"


def tell(teller: EventSender, *events: Event) -> None:
    for one in events:
        teller.add(teller.numbered(one))


async def ids_of(wire: Wire, count: int) -> list[str]:
    return [(await wire.event()).get("job_id", "") for _ in range(count)]


async def test_a_listener_hears_what_a_worker_tells(house: House, teller: EventSender) -> None:
    async with listening(house.app, authorization=await bearer(house, {"role": "viewer"})) as wire:
        tell(teller, event(EventType.JOB_SUCCEEDED, kind="mail.send", job_id="j1", attempt=2, worker="w-1"))
        heard = await wire.event()
        assert heard.pop("id").startswith(teller.source)
        assert heard == {
            "type": "job.succeeded",
            "at": "2025-11-24T16:00:00.000+00:00",
            "queue": "mail",
            "kind": "mail.send",
            "job_id": "j1",
            "attempt": 2,
            "worker": "w-1",
        }


async def test_a_listener_hears_what_is_done_at_this_dashboard_and_at_another(
    open_house: Any, house: House
) -> None:
    secret, _ = await house.token({"role": "admin"})
    other = await open_house()  # over the same Redis
    async with (
        listening(house.app, query={"type": "queue.*"}, authorization=f"Bearer {secret}") as here,
        listening(
            other.app, query={"type": "queue.*"}, authorization=await bearer(other, {"role": "viewer"})
        ) as there,
    ):
        program = house.client(authorization=f"Bearer {secret}")
        assert (await program.post("/v1/queues/mail/pause", json={"why": "x"})).status_code == 200
        first, second = await here.event(), await there.event()
        assert first == second
        assert (first["type"], first["queue"]) == ("queue.paused", "mail")
        with pytest.raises(TimeoutError):  # once, not again by way of Redis
            await here.event(within=0.3)


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ({"queue": "mail"}, ["m"]),
        ({"queue": ["mail", "img*"]}, ["m", "i"]),
        ({"kind": "image.*"}, ["i"]),
        ({"type": "job.dead"}, ["d"]),
        ({"type": "job.*", "queue": "default"}, ["d"]),
    ],
)
async def test_a_filter_lets_through_what_fits(
    house: House, teller: EventSender, query: Any, heard: list[str]
) -> None:
    who = await bearer(house, {"role": "viewer"})
    async with listening(house.app, query=query, authorization=who) as wire:
        tell(
            teller,
            event(EventType.JOB_STARTED, kind="mail.send", job_id="m"),
            event(EventType.JOB_STARTED, "img", kind="image.cut", job_id="i"),
            event(EventType.JOB_DEAD, "default", kind="etc", job_id="d"),
            Event(type=EventType.EVENTS_SKIPPED, at_ms=AT),
        )
        assert await ids_of(wire, len(heard)) == heard
        assert (await wire.event())["type"] == "events.skipped"  # of the stream itself: always told


async def test_nobody_hears_of_a_queue_or_a_kind_that_they_may_not_see(
    house: House, teller: EventSender
) -> None:
    who = await bearer(house, {"role": "viewer", "queues": ["mail*"], "kinds": ["mail.*"]})
    async with listening(house.app, authorization=who) as wire:
        tell(
            teller,
            event(EventType.JOB_STARTED, "default", kind="mail.send", job_id="1"),
            event(EventType.JOB_STARTED, kind="etc", job_id="2"),
            event(EventType.JOB_STARTED, job_id="3"),  # of a kind that nobody knows
            event(EventType.QUEUE_PAUSED),  # of all kinds in it
            Event(type=EventType.WORKER_STARTED, at_ms=AT, worker="w", queues=("default",)),
            event(EventType.JOB_STARTED, kind="mail.send", job_id="4"),
        )
        assert await ids_of(wire, 1) == ["4"]


async def test_who_may_see_only_their_own_jobs_hears_of_no_others(house: House, teller: EventSender) -> None:
    secret, token_id = await house.token({"role": "producer"})
    async with listening(house.app, authorization=f"Bearer {secret}") as wire:
        mine, theirs = owner_tag(f"token:{token_id}"), owner_tag("token:other")
        tell(
            teller,
            event(EventType.JOB_STARTED, kind="k", job_id="1", owner=theirs),
            event(EventType.JOB_STARTED, kind="k", job_id="2"),
            event(EventType.JOB_STARTED, kind="k", job_id="3", owner=mine),
        )
        heard = await wire.event()
        assert heard["job_id"] == "3"
        assert "owner" not in heard


async def test_the_audit_and_operations_are_told_only_to_those_who_may_see_them(house: House) -> None:
    viewer, admin = [await bearer(house, {"role": role}) for role in ("viewer", "admin")]
    async with (
        listening(house.app, authorization=viewer) as low,
        listening(house.app, authorization=admin) as high,
    ):
        for kind in (EventType.AUDIT_ADDED, EventType.OPERATION_CHANGED, EventType.JOB_DEAD):
            house.services.bus.tell(kind, queue="mail", operation="o1")
        assert [(await high.event())["type"] for _ in range(3)] == [
            "audit.added",
            "operation.changed",
            "job.dead",
        ]
        assert (await low.event())["type"] == "job.dead"


async def test_who_comes_back_hears_what_they_missed(house: House, teller: EventSender) -> None:
    who = await bearer(house, {"role": "viewer"})
    async with listening(house.app, authorization=who) as wire:
        tell(teller, event(EventType.JOB_STARTED, job_id="1"))
        last = (await wire.event())["id"]
    tell(teller, event(EventType.JOB_STARTED, job_id="2"))
    await eventually(lambda: (house.services.bus.since(last) or [])[-1:])
    for options in ({"query": {"since": last}}, {"last_event_id": last}):
        async with listening(house.app, authorization=who, **options) as wire:
            assert await ids_of(wire, 1) == ["2"]


async def test_who_comes_back_too_late_is_told_that_something_was_missed(house: House) -> None:
    who = await bearer(house, {"role": "viewer"})
    async with listening(house.app, query={"since": "gone-17"}, authorization=who) as wire:
        assert (await wire.event())["type"] == "events.missed"


@pytest.mark.parametrize(
    ("query", "code"),
    [({"queues": "mail"}, "unknown_parameter"), ({"queue": "no name"}, "invalid_parameter")],
)
async def test_a_query_that_cannot_be_used_is_told_like_any_other(
    house: House, query: dict[str, str], code: str
) -> None:
    who = await bearer(house, {"role": "viewer"})
    assert await _refusal(house, query=query, authorization=who) == (400, code)


async def test_the_door_is_closed_to_who_shows_nothing_or_may_not_see_jobs(house: House) -> None:
    assert await _refusal(house) == (401, "not_authenticated")
    assert await _refusal(house, authorization="Bearer monarq_no") == (401, "not_authenticated")
    who = await bearer(house, {"permissions": ["queues:read"]})
    assert await _refusal(house, authorization=who) == (403, "not_permitted")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:8081", None])
async def test_another_site_cannot_listen_with_a_browser_s_session(house: House, origin: str | None) -> None:
    browser = await house.browser({"role": "viewer"})
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    headers = {"cookie": cookie} | ({"origin": origin} if origin else {})
    assert await _refusal(house, **headers) == (403, "cross_origin")


async def test_our_own_pages_listen_with_the_browser_s_session(house: House) -> None:
    browser = await house.browser({"role": "viewer"})
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    async with listening(house.app, cookie=cookie, origin="http://localhost:8080"):
        pass


async def test_streams_are_bounded_for_each_caller_and_for_all(open_house: Any) -> None:
    house = await open_house(max_streams=2)
    who = await bearer(house, {"role": "viewer"})
    async with listening(house.app, authorization=who), listening(house.app, authorization=who):
        assert await _refusal(house, authorization=who) == (429, "too_many_streams")
    await eventually(lambda: len(house.services.streams) == 0)
    async with listening(house.app, authorization=who):
        pass


async def test_a_listener_that_leaves_is_forgotten(house: House) -> None:
    async with listening(house.app, authorization=await bearer(house, {"role": "viewer"})) as wire:
        assert len(house.services.streams) == 1
        wire.say({"type": "websocket.disconnect", "code": 1001})
        await eventually(lambda: len(house.services.streams) == 0)


async def test_a_stream_ends_with_the_login(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.05)
    user = await house.user({"role": "viewer"})
    browser = await house.browser(user=user)
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    async with listening(house.app, cookie=cookie, origin="http://localhost:8080") as wire:
        await browser.delete("/v1/sessions/current")
        closed = await wire.next()
        assert (closed["code"], closed["reason"]) == (4401, "logged_out")


async def test_a_stream_ends_with_the_permission(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "CHECK_EVERY", 0.05)
    user = await house.user({"role": "viewer"})
    browser = await house.browser(user=user)
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    async with listening(house.app, cookie=cookie, origin="http://localhost:8080") as wire:
        await house.directory.change_user(user.id, grants=())
        closed = await wire.next()
        assert (closed["code"], closed["reason"]) == (4403, "not_permitted")


async def test_a_stream_does_not_keep_a_login_alive(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody does anything: the session must be over when it was idle for too long."""
    monkeypatch.setattr(service, "CHECK_EVERY", 0.02)
    monkeypatch.setattr("monarq.dashboard.auth.sessions._TOUCH_MS", 0)
    user = await house.user({"role": "viewer"})
    browser = await house.browser(user=user)
    cookie = f"monarq_session={browser.cookies['monarq_session']}"
    sessions = house.services.logins._sessions
    async with listening(house.app, cookie=cookie, origin="http://localhost:8080"):
        [before] = await sessions.of_user(user.id)
        await always(lambda: True, during=0.2)
        [after] = await sessions.of_user(user.id)
    assert after.seen_ms == before.seen_ms


async def test_a_stream_ends_when_the_server_stops(house: House) -> None:
    async with listening(house.app, authorization=await bearer(house, {"role": "viewer"})) as wire:
        house.services.let_go()
        closed = await wire.next()
        assert (closed["code"], closed["reason"]) == (1012, "stopping")


async def test_a_listener_that_reads_too_slowly_is_closed_and_holds_no_more_than_it_may(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monarq.dashboard.routes.events._PATIENCE", 0.2)
    authorization = await bearer(house, {"role": "viewer"})
    with capture_logs() as lines:
        async with listening(house.app, authorization=authorization) as wire:
            wire.is_stuck = True
            for number in range(MOST_WAITING * 3):
                house.services.bus.deliver(event(EventType.JOB_STARTED, job_id=str(number)))
            [subscription] = house.services.bus._subscriptions
            assert len(subscription._waiting) <= MOST_WAITING
            await eventually(wire.is_over.is_set)
    assert len(house.services.streams) == 0
    assert lines == [], "it is no fault of ours"


async def test_a_storm_is_thinned_out_and_the_listener_told_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_PER_SECOND", 10)
    async with listening(house.app, authorization=await bearer(house, {"role": "viewer"})) as wire:
        for number in range(50):
            house.services.bus.deliver(event(EventType.JOB_STARTED, job_id=str(number)))
        assert await ids_of(wire, 10) == [str(number) for number in range(10)]
        skipped = await wire.event()
        assert (skipped["type"], skipped["count"]) == ("events.skipped", 40)


async def test_a_silent_stream_shows_that_it_lives(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "PING_EVERY", 0.05)
    async with listening(house.app, authorization=await bearer(house, {"role": "viewer"})) as wire:
        assert (await wire.event())["type"] == "stream.ping"


async def _refusal(house: House, **options: Any) -> tuple[int, str]:
    async with socket(house.app, **options) as wire:
        start, body = await wire.next(), await wire.next()
        assert start["type"] == "websocket.http.response.start", start
        document = __import__("json").loads(body["body"])
        return start["status"], document["code"]
