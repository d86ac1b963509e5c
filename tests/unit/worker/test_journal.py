"""Which ends of attempts get a line in the log, and what it says."""

from typing import Any

import pytest
from pydantic_core import to_json
from structlog.testing import capture_logs

from monarq.jobs.envelope import decode
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.settings import EndLines
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed, End, Settlement, Verb
from monarq.worker import end_lines
from monarq.worker import journal as journals
from monarq.worker.journal import Journal
from monarq.worker.run import Run

FAILURE = Failure(
    spent=1, crashes=0, cause=Cause.ERROR, fence=1, worker="w", error_type="ValueError", message="declined"
)
ENDS = {
    "job.succeeded": End("j", "w:1", Verb.SUCCEEDED),
    "job.retrying": End("j", "w:1", Verb.RETRYING, delay_ms=5_000, failure=FAILURE),
    "job.dead": End("j", "w:1", Verb.DEAD, failure=FAILURE),
    "job.cancelled": End("j", "w:1", Verb.CANCELLED),
    "job.expired": End("j", "w:1", Verb.EXPIRED),
    "job.snoozed": End("j", "w:1", Verb.RELEASED, is_snooze=True),
    "job.interrupted": End("j", "w:1", Verb.RELEASED, failure=FAILURE),
}


def a_run(kind: str = "mail.send") -> Run:
    body = to_json({"t": None, "f": kind, "a": [], "k": {}, "et": 0})
    run = Run(Claimed(queue_keys("mail"), "j", 1, 0, 1, 0, 0, False, body, 0), "w:1", leased_until=0)
    run.envelope = decode(body)
    run.started_ms, run.ended_ms = 1_000, 1_250
    return run


def told(log_ends: dict[str, EndLines], kind: str = "mail.send", *, name: str | None = None) -> list[Any]:
    """The events of one end of each sort, or of one sort."""
    journal = Journal(log_ends)
    with capture_logs() as lines:
        for end in ENDS.values() if name is None else [ENDS[name]]:
            journal.settled([(a_run(kind), end)], [Settlement.RECORDED])
    return [line["event"] for line in lines]


def test_each_end_but_a_success_gets_a_line() -> None:
    assert told({}) == [name for name in ENDS if name != "job.succeeded"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("all", [*ENDS]), ("failures", [*ENDS][1:]), ("none", []), (0, [*ENDS][1:]), (1, [*ENDS])],
)
def test_a_rule_says_which_ends_of_its_kind_get_one(rule: EndLines, expected: list[str]) -> None:
    assert told({"mail.*": rule}) == expected


def test_the_first_rule_that_fits_counts_and_others_leave_a_kind_alone() -> None:
    rules: dict[str, EndLines] = {"mail.send": "none", "mail.*": "all"}
    assert told(rules) == []
    assert told(rules, "mail.read") == [*ENDS]
    assert told(rules, "bill.send") == told({})


def test_of_successes_a_share_can_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    dice = iter([0.05, 0.15, 0.09, 0.5])
    monkeypatch.setattr(end_lines, "random", lambda: next(dice))
    written = [told({"mail.*": 0.1}, name="job.succeeded") for _ in range(4)]
    assert written == [["job.succeeded"], [], ["job.succeeded"], []]


def test_a_silenced_end_is_counted_all_the_same() -> None:
    journal = Journal({"*": "none"})
    for end in ENDS.values():
        journal.settled([(a_run(), end)], [Settlement.RECORDED])
    assert (journal.complete, journal.failed, journal.retried, journal.released) == (1, 3, 1, 2)


def test_an_outcome_that_was_refused_is_told_of_whatever_the_rules_say() -> None:
    journal = Journal({"*": "none"})
    with capture_logs() as lines:
        journal.settled([(a_run(), ENDS["job.succeeded"])], [Settlement.REFUSED])
    assert [line["event"] for line in lines] == ["job.lease_lost"]


@pytest.mark.parametrize("name", ENDS)
def test_a_line_names_job_kind_queue_attempt_and_time(name: str) -> None:
    with capture_logs() as lines:
        Journal({"*": "all"}).settled([(a_run(), ENDS[name])], [Settlement.RECORDED])
    [line] = lines
    facts = {key: line[key] for key in ("job_id", "kind", "queue", "attempt", "seconds")}
    assert facts == {"job_id": "j", "kind": "mail.send", "queue": "mail", "attempt": 2, "seconds": 0.25}
    assert "trace_id" not in line


def test_no_more_kinds_are_remembered_than_an_app_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """arq's own clients may name any."""
    monkeypatch.setattr(end_lines, "_MOST_KINDS", 2)
    rules = end_lines.EndLineRules({"*": "none"})
    assert not any(rules.tells_failure(f"kind-{n}") for n in range(5))
    assert len(rules._of_kind) == 2
    monkeypatch.setattr(journals, "_MOST_UNKNOWN", 2)
    journal = Journal({})
    for number in range(5):
        journal.settled([(a_run(f"kind-{number}"), End("j", "w:1", Verb.RELEASED))], [Settlement.RECORDED])
    assert len(journal._unknown) <= 2
