"""What the history keeps of an end."""

from datetime import UTC, datetime

import pytest
from pydantic_core import to_json

from monarq.jobs.envelope import Envelope, arguments_json, decode, encode_body, encode_head
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.record import Attempt, encode_failure, encode_success, result_json
from monarq.jobs.state import State
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed, End, Verb
from monarq.worker.history_rows import attempts_of, ended_job
from monarq.worker.run import Run

AT = datetime(2030, 1, 31, 9, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)
TRICKY = ['","a":[],"k":', ',"et":1}', '","id":"x","r":7', '\\"', "}", 'é"\n']


def a_failure(start: int, *, cause: Cause = Cause.ERROR, message: str = "boom") -> Failure:
    return Failure(spent=start, crashes=0, cause=cause, fence=start, worker="w", message=message)


def an_envelope(text: str = "") -> Envelope:
    body = encode_head("kind", b'{"text":%b}' % to_json(text)) + b"1764000000000}"
    return decode(body)


def a_run(*, claimed_ms: int, began_ms: int, ended_ms: int) -> Run:
    claimed = Claimed(queue_keys("default"), "j", 1, claimed_ms - 250, 0, 0, 0, False, None, claimed_ms)
    run = Run(claimed, "w:1", leased_until=0)
    run.started_ms, run.ended_ms = began_ms, ended_ms
    run.envelope = an_envelope()
    return run


# --- JSON without reading it


@pytest.mark.parametrize("text", TRICKY)
def test_arguments_are_cut_out_of_the_envelope_as_they_are(text: str) -> None:
    assert arguments_json(an_envelope(text)) == b'{"text":%b}' % to_json(text)


def test_arguments_by_position_stand_beside_those_by_name() -> None:
    of_arqs = decode(encode_body(Envelope("add", [1, 2], {"x": 3}, 1)))
    assert arguments_json(of_arqs) == b'{"x":3,"*":[1,2]}'
    assert arguments_json(decode(encode_body(Envelope("add", [], {"x": 3}, 1)))) == b'{"x":3}'


@pytest.mark.parametrize("text", TRICKY)
@pytest.mark.parametrize("envelope", [an_envelope, lambda text: Envelope("k", [text], {}, 1)])
def test_a_result_is_cut_out_of_its_record_as_it_is(envelope: object, text: str) -> None:
    assert callable(envelope)
    asked = envelope(text)
    record = encode_success(asked, Attempt(text, "default", 1, 2, 3), b'{"r":%b}' % to_json(text))
    assert result_json(record, asked) == b'{"r":%b}' % to_json(text)


def test_a_record_in_another_form_has_no_result() -> None:
    assert result_json(b"\x80\x04pickled", an_envelope()) is None
    assert result_json(b"[]", an_envelope()) is None


# --- times


def test_times_are_the_servers_whatever_the_worker_believes() -> None:
    run = a_run(claimed_ms=AT_MS, began_ms=5_000_000, ended_ms=5_001_234)
    job = ended_job(run, End("j", "w:1", Verb.DEAD, failure=a_failure(1)), "w").job
    assert (job.started_at, job.ended_at.timestamp() * 1000) == (AT, AT_MS + 1234)
    assert (job.run_ms, job.wait_ms) == (1234, 250)


def test_a_clock_that_was_put_back_makes_no_negative_times() -> None:
    run = a_run(claimed_ms=AT_MS, began_ms=5_000_000, ended_ms=4_000_000)
    job = ended_job(run, End("j", "w:1", Verb.DEAD, failure=a_failure(1)), "w").job
    assert (job.run_ms, job.ended_at) == (0, AT)


# --- how it ended


def test_what_expired_unstarted_tells_its_error_from_the_record() -> None:
    run = a_run(claimed_ms=AT_MS, began_ms=1, ended_ms=1)
    attempt = Attempt("j", "default", 1, 1, 1)
    told = a_failure(0, cause=Cause.TIMEOUT, message="too late")
    record = encode_failure(an_envelope(), attempt, told, State.EXPIRED)
    job = ended_job(run, End("j", "w:1", Verb.EXPIRED, record, 1000), "w").job
    assert (job.state, job.error_message, job.started_at, job.run_ms) == ("expired", "too late", None, None)


# --- attempts


def numbers(*failures: Failure | bytes, last: Failure | None = None) -> list[int]:
    past = [one if isinstance(one, bytes) else one.encode() for one in failures]
    return [attempt.number for attempt in attempts_of("j", AT, past, last)]


def test_attempts_are_told_oldest_first_and_the_last_at_the_end() -> None:
    assert numbers(a_failure(1), a_failure(2), last=a_failure(3)) == [1, 2, 3]


def test_what_was_before_a_replay_went_with_that_end() -> None:
    replay = a_failure(0, cause=Cause.REPLAY)
    assert numbers(a_failure(1), replay, a_failure(2), last=a_failure(3)) == [2, 3]
    assert numbers(a_failure(1), replay, last=a_failure(2)) == [2]


def test_a_start_that_left_two_records_is_one_attempt() -> None:
    assert numbers(a_failure(1), a_failure(1, cause=Cause.CORRUPTION), last=a_failure(2)) == [1, 2]


def test_what_is_no_record_is_left_out() -> None:
    odd = b'{"spent":0,"crashes":0,"cause":"error","fence":"x","worker":5,"message":null}'
    assert numbers(b"{}", b"strange", odd, a_failure(2)) == [2]


def test_a_time_that_nobody_knows_is_none() -> None:
    [attempt] = attempts_of("j", AT, [a_failure(1, cause=Cause.CRASH).encode()], None)
    assert (attempt.began_at, attempt.finished_at) == (None, None)
