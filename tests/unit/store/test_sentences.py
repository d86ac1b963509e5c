"""One sentence for everything that can be known of a job."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic_core import to_json

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.priority import Priority
from monarq.jobs.store.crew import Crew
from monarq.jobs.store.examine import Examined
from monarq.jobs.store.facts import facts_of
from monarq.jobs.store.moments import at_ms, span
from monarq.jobs.store.sentences import Reason, sentence_of
from monarq.jobs.store.workers import LiveWorker

NOW = 1_764_000_000_000
AN_HOUR = 3_600_000

READY = Examined(
    queue="mail",
    now_ms=NOW,
    priority=Priority.NORMAL,
    visible_at_ms=NOW - 5_000,
    is_parked=False,
    lease_end_ms=None,
    died_ms=None,
    abort_ms=None,
    fence=None,
    starts=0,
    failure=None,
    body=b'{"m":{"v":1},"t":null,"f":"send","a":[],"k":{},"et":1763999995000}',
    is_letter=False,
    result=None,
    result_ms=-2,
    pauses=[],
    ahead=dict.fromkeys(Priority, 0),
)
DEAD = replace(READY, priority=None, visible_at_ms=None, is_letter=True, died_ms=NOW - 60_000, ahead=None)


def a_worker(name: str = "w1", **changes: Any) -> LiveWorker:
    told = {"queues": {"mail": 0}, "kinds": ["send"], "max_attempts": {"send": 5}, "ageing_ms": 60_000}
    told |= {"slots": 10, "busy": 10, "stopping": False, **changes}
    return LiveWorker(worker=name, host="h", pid=1, **told)  # type: ignore[arg-type]


def a_crew(*workers: LiveWorker, kind: str | None = "send") -> Crew:
    return Crew(workers or (a_worker(),), "mail", kind)


def a_failure(cause: Cause, *, error_type: str = "", message: str = "", spent: int = 2) -> Failure:
    return Failure(
        spent=spent, crashes=0, cause=cause, fence=1, worker="w1", error_type=error_type, message=message
    )


def told(job: Examined, crew: Crew | None = None) -> str:
    return sentence_of(job, crew or a_crew())[1]


@pytest.mark.parametrize(
    ("failure", "because"),
    [
        (a_failure(Cause.ERROR, error_type="E", message="x\ny"), "E: x y (attempt 2 of 5)"),
        (a_failure(Cause.ERROR), "an error (attempt 2 of 5)"),
        (a_failure(Cause.TIMEOUT, message="timed out"), "a timeout (attempt 2 of 5): timed out"),
        (a_failure(Cause.CRASH, message="signal 9"), "a crash: signal 9"),
        (a_failure(Cause.INTERRUPTION), "an interruption"),
        (a_failure(Cause.CORRUPTION, message="no JSON"), "a record that cannot be read: no JSON"),
        (a_failure(Cause.REPLAY, message="replayed by ann"), "a replay: replayed by ann"),
        (None, "a failure of which nothing is recorded"),
    ],
)
def test_every_cause_has_its_words(failure: Failure | None, because: str) -> None:
    assert told(replace(DEAD, failure=failure)) == (
        f"It is dead since 2025-11-24 15:59:00 UTC (1 min ago), because of {because}."
    )


def test_a_long_error_is_cut() -> None:
    sentence = told(replace(DEAD, failure=a_failure(Cause.ERROR, message="x" * 5_000)))
    assert len(sentence) < 400
    assert "…" in sentence


def test_of_how_many_attempts_is_told_only_if_a_live_worker_knows() -> None:
    job = replace(DEAD, failure=a_failure(Cause.ERROR, error_type="E", message="x"))
    assert "(attempt 2 of 5)" in told(job)
    assert "(attempt 2)" in told(job, a_crew(a_worker(kinds=[], max_attempts={})))


def test_workers_that_are_stopping_serve_nobody() -> None:
    assert sentence_of(READY, a_crew(a_worker(stopping=True)))[0] is Reason.UNSERVED


def test_a_kind_must_be_known_where_the_queue_is_served() -> None:
    elsewhere = a_worker("w2", queues={"other": 0})
    here = a_worker("w1", kinds=["other"])
    assert sentence_of(READY, a_crew(here, elsewhere))[0] is Reason.UNKNOWN_KIND
    assert sentence_of(READY, a_crew(here, elsewhere, kind=None))[0] is Reason.NEXT


def test_slots_are_those_of_the_workers_that_can_run_it() -> None:
    crew = a_crew(a_worker("w1", busy=3), a_worker("w2", busy=10), a_worker("w3", kinds=[]))
    assert told(READY, crew).endswith("its 2 workers last reported 13 of 20 slots busy.")


def test_a_lease_that_ran_out_names_the_worker() -> None:
    lost = replace(READY, fence="web-1-7:3", lease_end_ms=NOW - 5_000)
    assert told(lost) == (
        "Its worker web-1-7 died, froze or lost its connection: its lease ran out at 2025-11-24 15:59:55 UTC "
        "(5 s ago); the next claim of queue mail takes it."
    )


def test_a_suspect_is_said_to_wait_for_its_turn() -> None:
    """It goes back for a second, again and again, while another one runs alone."""
    failure = replace(a_failure(Cause.CRASH, message="the worker died"), lapses=1)
    suspect = replace(READY, visible_at_ms=NOW + 500, starts=2, ahead=None, failure=failure)
    alone = "(it may be what a worker died of, so it waits for its turn to run alone)"
    assert told(suspect) == (
        f"It is tried again at 2025-11-24 16:00:00 UTC (in 0.5 s), after a crash: the worker died {alone}."
    )
    assert alone in told(replace(suspect, visible_at_ms=NOW - 1, ahead=READY.ahead))


def test_a_job_that_was_handed_back_for_later_is_not_said_to_be_scheduled_at_first() -> None:
    back = replace(READY, visible_at_ms=NOW + AN_HOUR, starts=1, ahead=None)
    assert told(back) == "It was handed back, and is due again at 2025-11-24 17:00:00 UTC (in 1 h)."


def test_a_job_that_was_restored_is_not_said_to_have_been_handed_back() -> None:
    restored = replace(READY, visible_at_ms=NOW + AN_HOUR, starts=4_000_000, ahead=None)
    assert told(restored) == (
        "It was restored, since Redis had lost it, and is due at 2025-11-24 17:00:00 UTC (in 1 h)."
    )


def test_a_result_without_a_dead_letter_tells_that_it_failed() -> None:
    record = {"m": {"s": "dead"}, "s": False, "f": "send", "t": 5, "et": 1, "st": 1, "ft": NOW}
    record["r"] = {"type": "E", "message": "x"}
    job = replace(READY, priority=None, visible_at_ms=None, body=None, ahead=None, result=to_json(record))
    assert told(job) == (
        "It failed for good at 2025-11-24 16:00:00 UTC (in 0.0 s) by E: x; "
        "there is no dead letter of it (any more)."
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.25, "0.2 s"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (7_300, "2 h"), (2e6, "23 d")],
)
def test_a_span_is_told_in_its_largest_unit(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize("ms", [-(10**18), 10**18, 0])
def test_a_time_that_no_calendar_has_ends_no_explanation(ms: int) -> None:
    assert "UTC" in at_ms(ms, NOW)


def test_facts_leave_out_what_is_not_known() -> None:
    facts = facts_of(READY, a_crew())
    assert facts["enqueued_at"] == "2025-11-24T15:59:55+00:00"
    assert (facts["able"], facts["slots"], facts["busy"]) == (["w1"], 10, 10)
    assert None not in facts.values()
    assert not {"died_at", "worker", "lease_until", "pauses", "last_failure"} & set(facts)
    assert "able" not in facts_of(DEAD, a_crew())
