"""The demo's verdict: it must not call well what is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from demo.incident import Crash
from demo.ledger import Deliveries, JobEnd, Ledger, verdict
from monarq.jobs import State
from monarq.jobs.store.dead_letter import DeadLetter

HOOK = JobEnd(job_id="h1", kind="webhook.deliver", planned=State.SUCCEEDED, state=State.SUCCEEDED, attempt=1)
LATER = replace(HOOK, job_id="h2", fails_first=True, attempt=2)
GONE = replace(HOOK, job_id="h3", planned=State.DEAD, fails_first=True, state=State.DEAD, attempt=3)
MAIL = replace(HOOK, job_id="m1", kind="email.send")
LETTER = DeadLetter(job_id="h3", queue="webhooks", died_at=datetime.now(UTC))
WEBHOOKS = Deliveries(what="webhooks", wanted=frozenset({"h1", "h2"}), accepted={"h1": 1, "h2": 1}, refused=4)
GOOD = Ledger(
    jobs=[HOOK, LATER, GONE, MAIL],
    webhooks=WEBHOOKS,
    mails=Deliveries(what="mails", wanted=frozenset({"m1"}), accepted={"m1": 1}, refused=0),
    letters=[LETTER],
)
CRASH = Crash(worker="w", pid=1, at_ms=0, orphans=frozenset({"h1", "h2"}))


def with_job(job: JobEnd) -> Ledger:
    return replace(GOOD, jobs=[job if one.job_id == job.job_id else one for one in GOOD.jobs])


def with_arrivals(accepted: dict[str, int], crash: Crash | None = None) -> Ledger:
    return replace(GOOD, webhooks=replace(WEBHOOKS, accepted=accepted), crash=crash)


def test_nothing_is_wrong_when_all_went_as_planned() -> None:
    assert verdict(GOOD) == []


@pytest.mark.parametrize(
    ("ledger", "fault"),
    [
        (with_job(replace(HOOK, state=State.RETRYING)), "h1: has not ended, it is retrying"),
        (with_job(replace(HOOK, state=None)), "h1: the store knows nothing of it"),
        (with_job(replace(HOOK, state=State.DEAD)), "h1: ended dead, not succeeded"),
        (with_job(replace(GONE, state=State.SUCCEEDED)), "h3: ended succeeded, not dead"),
        (with_job(replace(LATER, attempt=1)), "h2: succeeded at once, but should have failed first"),
        (with_arrivals({"h1": 1}), "webhooks: 1 never arrived: h2"),
        (with_arrivals({"h1": 1, "h2": 1, "x": 1}), "webhooks: 1 arrived that nobody sent: x"),
        (with_arrivals({"h1": 2, "h2": 1}), "webhooks: 1 came again without need: h1"),
        (replace(GOOD, forged=1), "the receiver refused 1 signatures"),
        (replace(GOOD, bad_thumbnails=["a.webp: is missing"]), "a.webp: is missing"),
        (replace(GOOD, letters=[]), "dead letters: 0, but 1 should be there"),
    ],
)
def test_whatever_is_not_as_planned_is_named(ledger: Ledger, fault: str) -> None:
    [found] = verdict(ledger)
    assert fault in found


def test_what_a_killed_worker_held_may_arrive_twice_and_forget_an_attempt() -> None:
    ledger = with_arrivals({"h1": 2, "h2": 1}, CRASH)
    assert verdict(replace(ledger, jobs=[HOOK, replace(LATER, attempt=1), GONE, MAIL])) == []


def test_a_job_that_needed_one_more_attempt_has_ended_as_it_should() -> None:
    once_more = replace(
        with_job(replace(HOOK, attempt=2)), webhooks=replace(WEBHOOKS, accepted={"h1": 2, "h2": 1})
    )
    assert verdict(once_more) == []


def test_many_faults_are_counted_rather_than_told() -> None:
    lost: Sequence[JobEnd] = [replace(HOOK, job_id=f"j{number}", state=None) for number in range(50)]
    faults = verdict(replace(GOOD, jobs=[*GOOD.jobs, *lost]))
    assert len(faults) == 11
    assert faults[-1] == "… and 40 more jobs"
