"""What a worker tells of the last minutes: its counters, less what they were."""

from collections import Counter
from typing import Any

from monarq.worker.fresh_ends import Ending
from monarq.worker.lately import MOST_KINDS, Lately
from monarq.worker.meters import Distribution, Meters

PAIR = ("mail", "email.send")


class Clock:
    """Goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def a_worker(clock: Clock) -> tuple[Meters, Lately]:
    meters = Meters([PAIR], lambda queue: 60_000.0, lambda kind: None)
    return meters, Lately(meters, clock)


def attempts(lately: Lately) -> list[dict[str, Any]]:
    return lately.report()["attempts"]  # type: ignore[return-value]


def starts(lately: Lately) -> list[dict[str, Any]]:
    return lately.report()["starts"]  # type: ignore[return-value]


def count(meters: Meters, **endings: int) -> None:
    meters.endings[PAIR].update({Ending(name): number for name, number in endings.items()})


def test_attempts_are_told_with_those_that_did_not_do_what_they_were_to() -> None:
    meters, lately = a_worker(Clock())
    assert lately.report() == {"attempts": [], "starts": []}
    count(meters, succeeded=5, retried=1, timed_out=1, dead=1, lost=1)
    count(meters, cancelled=1, expired=1, snoozed=1, handed_back=1, refused=1)
    assert attempts(lately) == [{"queue": "mail", "kind": "email.send", "ended": 11, "failed": 4}]


def test_attempts_of_more_than_ten_minutes_ago_are_forgotten() -> None:
    clock = Clock()
    meters, lately = a_worker(clock)
    count(meters, dead=3)
    lately.report()
    for _ in range(30):
        clock.now += 30
        lately.report()
    assert attempts(lately) == []
    count(meters, succeeded=2, dead=1)
    assert [(one["ended"], one["failed"]) for one in attempts(lately)] == [(3, 1)]
    clock.now += 570
    assert [(one["ended"], one["failed"]) for one in attempts(lately)] == [(3, 1)]


def test_starts_are_told_of_an_hour_and_of_its_last_five_minutes() -> None:
    clock = Clock()
    meters, lately = a_worker(clock)
    for priority in ("high", "normal"):
        meters.wait_ms["mail", priority] = Distribution()

    def begin(number: int, in_time: int) -> None:
        meters.wait_ms["mail", "high"].counts[0] += number - 1
        meters.wait_ms["mail", "normal"].counts[-1] += 1
        meters.met["mail"] += in_time

    def told() -> tuple[int, ...]:
        [one] = starts(lately)
        assert one["queue"] == "mail"
        return one["number"], one["in_time"], one["number_lately"], one["in_time_lately"]

    begin(10, 7)
    assert told() == (10, 7, 10, 7)
    for _ in range(20):
        clock.now += 30
        told()
    begin(4, 4)
    assert told() == (14, 11, 4, 4)
    clock.now += 3_600
    assert starts(lately) != []  # nothing was looked at meanwhile
    for _ in range(6):
        clock.now += 600
        lately.report()
    assert starts(lately) == []


def test_of_very_many_kinds_those_of_the_most_attempts_are_told() -> None:
    meters, lately = a_worker(Clock())
    for number in range(MOST_KINDS + 20):
        meters.endings["mail", f"kind.{number}"] = Counter({Ending.SUCCEEDED: number})
    found = attempts(lately)
    assert len(found) == MOST_KINDS
    assert found[0]["ended"] == MOST_KINDS + 19
