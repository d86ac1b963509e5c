"""What the history takes, and how much of it: nothing is written here, so no database is asked for."""

import pytest

from monarq.jobs.envelope import decode
from monarq.jobs.settings import Settings
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.verbs import Claimed, End, Settlement, Verb
from monarq.worker import history
from monarq.worker.history import History
from monarq.worker.run import Run

AT_MS = 1_900_000_000_000
ENDS = [Verb.SUCCEEDED, Verb.DEAD, Verb.CANCELLED, Verb.EXPIRED]


def a_history(limit: int = 10) -> History:
    """Its database is reached when it is first needed, which is never."""
    return History(open_database(Settings(database_url="postgresql://nowhere/")), worker_id="w", limit=limit)


def add(kept: History, verb: Verb = Verb.SUCCEEDED, settlement: Settlement = Settlement.RECORDED) -> None:
    claimed = Claimed(queue_keys("default"), "j", 1, AT_MS, 0, 0, 0, False, None, AT_MS)
    run = Run(claimed, "w:1", leased_until=0)
    run.envelope = decode(b'{"m":{"v":1},"t":null,"f":"k","a":[],"k":{"x":"%b"},"et":1}' % (b"x" * 5_000))
    kept.add(run, End("j", "w:1", verb), settlement)


@pytest.mark.parametrize("verb", ENDS)
@pytest.mark.parametrize("settlement", [Settlement.RECORDED, Settlement.CANCEL_TOO_LATE])
def test_every_end_that_was_recorded_is_taken(verb: Verb, settlement: Settlement) -> None:
    add(kept := a_history(), verb, settlement)
    assert kept.pending == 1


@pytest.mark.parametrize("verb", [Verb.RETRYING, Verb.RELEASED])
def test_a_job_that_has_not_ended_is_not_taken(verb: Verb) -> None:
    add(kept := a_history(), verb)
    assert kept.pending == 0


def test_an_end_that_was_refused_is_not_taken() -> None:
    add(kept := a_history(), settlement=Settlement.REFUSED)
    assert kept.pending == 0


def test_of_too_many_jobs_the_oldest_are_dropped_and_counted() -> None:
    kept = a_history(limit=3)
    for _ in range(5):
        add(kept)
    assert (kept.pending, kept.dropped) == (3, 2)


def test_of_too_large_jobs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BUFFER_BYTES", 20_000)
    kept = a_history()
    for _ in range(5):
        add(kept)
    assert (kept.pending, kept.dropped) == (3, 2)


def test_the_report_tells_how_far_behind_it_is() -> None:
    kept = a_history(limit=1)
    assert kept.report() == {"pending": 0, "lag_ms": 0, "written": 0, "dropped": 0}
    add(kept)
    add(kept)
    told = kept.report()
    assert (told["pending"], told["written"], told["dropped"]) == (1, 0, 1)
    assert told["lag_ms"] >= 0


def test_an_end_that_cannot_be_told_is_counted_and_hurts_nobody() -> None:
    claimed = Claimed(queue_keys("default"), "j", 1, AT_MS, 0, 0, 0, False, None, 10**30)
    kept = a_history()
    kept.add(Run(claimed, "w:1", leased_until=0), End("j", "w:1", Verb.SUCCEEDED), Settlement.RECORDED)
    assert (kept.pending, kept.dropped) == (0, 1)
