"""Attempts are counted exactly, however many they are; times are those of a sample that stands for all."""

from dataclasses import replace

import pytest
from pydantic_core import to_json

from monarq.jobs.envelope import decode
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed, End, Settlement, Verb
from monarq.worker.fresh_ends import MOST_LOOKED_AT, Ending, FreshEnds
from monarq.worker.heartbeat_job import HEARTBEAT
from monarq.worker.meters import Meters
from monarq.worker.run import Run
from monarq.worker.runnable import Runnable

PAIR = ("mail", "mail.send")


def a_run(wait_ms: int = 3, run_ms: int = 40, *, lapses: int = 0, **meta: str) -> Run:
    body = to_json({"m": meta, "t": None, "f": "mail.send", "a": [], "k": {}, "et": 1_000})
    due = 2_001 if lapses else 2_000 - wait_ms
    run = Run(
        Claimed(queue_keys("mail"), "j", 1, due, 0, 0, lapses, False, body, 2_000), "w:1", leased_until=0
    )
    run.envelope = decode(body)
    run.started_ms, run.ended_ms = 5_000, 5_000 + run_ms
    return run


def counted(*runs: Run, ending: Ending = Ending.SUCCEEDED) -> Meters:
    """A worker's meters after so many ends, told a hundred at a time."""
    meters = Meters([PAIR], lambda queue: 10.0, lambda kind: None)
    for at in range(0, len(runs), 100):
        meters._fresh.add(PAIR, ending, list(runs[at : at + 100]), with_exemplars=False)
    meters.fold()
    return meters


def test_a_few_are_all_looked_at() -> None:
    meters = counted(*(a_run(wait_ms=wait) for wait in (2, 4, 20)))
    assert meters.endings[PAIR][Ending.SUCCEEDED] == 3
    waits = meters.wait_ms["mail", "normal"]
    assert (sum(waits.counts), waits.total, meters.met["mail"]) == (3, 26, 2)
    assert (sum(meters.run_ms[PAIR].counts), meters.run_ms[PAIR].total) == (3, 120)
    assert meters.end_to_end_ms["mail"].total == 3 * (1_000 + 40)


def test_of_very_many_a_sample_stands_for_all() -> None:
    many = MOST_LOOKED_AT * 7 // 2
    runs = [a_run(wait_ms=3 if number % 4 else 30, run_ms=40) for number in range(many)]
    meters = counted(*runs)
    assert meters.endings[PAIR][Ending.SUCCEEDED] == many
    for one in (meters.wait_ms["mail", "normal"], meters.run_ms[PAIR], meters.end_to_end_ms["mail"]):
        assert sum(one.counts) == many
    assert meters.run_ms[PAIR].total == many * 40
    assert meters.met["mail"] == round(many * 0.75)


def test_a_job_that_was_lost_once_is_not_lost_again_when_it_comes_back() -> None:
    """A suspect that finds no room is handed back, and claimed at the very moment at which it is due."""
    again = a_run(wait_ms=0)
    again.claimed = replace(again.claimed, lapses=1)
    assert counted(again, a_run(lapses=1)).endings[PAIR][Ending.LOST] == 1


def test_what_was_taken_over_is_counted_exactly_of_however_many() -> None:
    late = [a_run() for _ in range(MOST_LOOKED_AT)] + [a_run(lapses=1) for _ in range(3)]
    assert counted(*late).endings[PAIR][Ending.LOST] == 3


def test_a_seldom_kind_is_looked_at_beside_a_frequent_one() -> None:
    fresh = FreshEnds()
    fresh.add(PAIR, Ending.SUCCEEDED, [a_run() for _ in range(MOST_LOOKED_AT * 2)], with_exemplars=False)
    fresh.add(("mail", "seldom"), Ending.DEAD, [a_run(run_ms=70)], with_exemplars=False)
    assert fresh.samples["mail", "seldom"].run_ms == [70]
    assert fresh.samples["mail", "seldom"].weight == 1


def test_waits_are_told_by_priority() -> None:
    meters = counted(a_run(), a_run(p="high"), a_run(p="high"))
    assert {key[1]: sum(one.counts) for key, one in meters.wait_ms.items()} == {"normal": 1, "high": 2}


def test_a_priority_that_is_none_makes_no_series() -> None:
    """Anybody may write an envelope."""
    meters = counted(*(a_run(p=f"made-up-{number}") for number in range(20)))
    assert [*meters.wait_ms] == [("mail", "normal")]


@pytest.mark.parametrize("runnable", [None, HEARTBEAT])
async def test_a_kind_that_nobody_here_knows_makes_no_series_nor_does_a_heartbeat(
    runnable: Runnable | None,
) -> None:
    failure = Failure(
        spent=1, crashes=0, cause=Cause.CORRUPTION, fence=1, worker="w", error_type="a.B", message=""
    )
    meters, run = Meters([PAIR], lambda queue: 10.0, lambda kind: None), a_run()
    run.runnable = runnable
    meters.settled([(run, End("j", "w:1", Verb.DEAD, failure=failure))], [Settlement.RECORDED])
    meters.fold()
    assert not meters.exceptions
    assert [*meters.endings] == [PAIR]
