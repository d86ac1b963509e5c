"""The bus inside of one process."""

from monarq.dashboard.bus import Bus
from monarq.jobs.events import Event, EventType


def event(what: EventType, event_id: str = "") -> Event:
    return Event(type=what, at_ms=1, id=event_id)


def test_a_listener_is_called_with_what_fits_its_pattern_until_it_ends() -> None:
    bus, heard = Bus(), []
    end = bus.on("queue.*", heard.append)
    for what in (EventType.QUEUE_PAUSED, EventType.JOB_DEAD):
        bus.publish(event(what))
    end()
    bus.publish(event(EventType.QUEUE_RESUMED))
    assert [one.type for one in heard] == ["queue.paused"]


def test_a_listener_that_fails_costs_the_others_nothing() -> None:
    bus, heard = Bus(), []
    bus.on("*", lambda _: 1 / 0)
    bus.on("*", heard.append)
    bus.publish(event(EventType.JOB_DEAD))
    assert len(heard) == 1


async def test_a_subscription_holds_no_more_than_it_may_and_says_so() -> None:
    bus = Bus()
    with bus.subscribe("job.*", limit=2) as subscription:
        for _ in range(2):
            bus.publish(event(EventType.JOB_DEAD))
        assert not subscription.is_too_slow
        bus.publish(event(EventType.QUEUE_PAUSED))
        assert not subscription.is_too_slow
        bus.publish(event(EventType.JOB_DEAD))
        assert subscription.is_too_slow
        assert len(subscription.take()) == 2
        assert not subscription.filled.is_set()


def test_what_comes_after_an_event_is_remembered_only_without_a_gap() -> None:
    bus = Bus()
    bus.deliver(event(EventType.JOB_DEAD, "0"))
    bus.remember(True)
    for number in ("1", "2", "3"):
        bus.deliver(event(EventType.JOB_DEAD, number))
    assert [one.id for one in bus.since("1") or []] == ["2", "3"]
    assert bus.since("3") == []
    assert bus.since("0") is None
    bus.remember(False)
    assert bus.since("3") is None
