"""From what the store tells of a job to its state, its result or its error."""

import json
from typing import Any

import pytest

from monarq.jobs.envelope import decode, encode_head
from monarq.jobs.errors import CorruptRecord, InvalidResult, JobCancelled, JobExpired, JobFailed, JobNotFound
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.record import Attempt, encode_failure, encode_success
from monarq.jobs.state import State
from monarq.jobs.store.verbs import Standing
from monarq.producer.ending import has_ended, result_of, state_of

from .kinds import resize

BODY = encode_head("image.resize", b'{"path":"a.png"}') + b"1}"
ATTEMPT = Attempt("job-1", "media", 1, 2, 3)
FAILURE = Failure(
    spent=1,
    crashes=0,
    cause=Cause.ERROR,
    fence=1,
    worker="w",
    error_type="ValueError",
    message="no such file",
    traceback="Traceback …",
)


def success(result: bytes) -> Standing:
    return Standing("ended", encode_success(decode(BODY), ATTEMPT, result))


def ended(state: State) -> Standing:
    return Standing("ended", encode_failure(decode(BODY), ATTEMPT, FAILURE, state))


def dead(record: bytes | None = FAILURE.encode(), envelope: bytes | None = BODY) -> Standing:
    return Standing("dead", record, envelope)


@pytest.mark.parametrize("what", ["scheduled", "ready", "running", "retrying", "dead"])
def test_a_state_is_told_as_the_store_tells_it(what: str) -> None:
    assert state_of("job-1", Standing(what)) is State(what)


@pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.EXPIRED])
def test_the_state_of_a_job_that_has_ended_is_in_its_record(state: State) -> None:
    assert state_of("job-1", ended(state)) is state
    assert state_of("job-1", success(b"[]")) is State.SUCCEEDED


@pytest.mark.parametrize("standing", [Standing("unknown"), Standing("ended")])
def test_a_job_without_a_trace_is_not_found(standing: Standing) -> None:
    with pytest.raises(JobNotFound, match="job-1"):
        state_of("job-1", standing)
    with pytest.raises(JobNotFound, match="job-1"):
        result_of("job-1", standing, resize)


def test_there_is_an_end_to_read_of_jobs_that_have_ended_only() -> None:
    assert all(map(has_ended, [Standing("unknown"), dead(), success(b"[]")]))
    assert not any(has_ended(Standing(what)) for what in ("scheduled", "ready", "running", "retrying"))


def test_a_result_is_in_the_type_that_the_handler_returns() -> None:
    assert result_of("job-1", success(b'["a"]'), resize) == ["a"]


def test_a_result_that_does_not_fit_the_handler_is_a_typed_error() -> None:
    with pytest.raises(InvalidResult, match=r"^image\.resize: "):
        result_of("job-1", success(b"5"), resize)


def test_without_a_handler_a_result_is_plain_data() -> None:
    assert result_of("job-1", success(b'{"any":[1]}'), None) == {"any": [1]}


def assert_failed(error: JobFailed) -> None:
    assert (error.job_id, error.kind, error.error_type) == ("job-1", "image.resize", "ValueError")
    assert (error.message, error.traceback_text) == ("no such file", "Traceback …")


@pytest.mark.parametrize("standing", [dead(), ended(State.DEAD)])
def test_a_dead_letter_raises_with_kind_type_message_and_traceback(standing: Standing) -> None:
    with pytest.raises(JobFailed) as caught:
        result_of("job-1", standing, resize)
    assert_failed(caught.value)


@pytest.mark.parametrize(("state", "error"), [(State.CANCELLED, JobCancelled), (State.EXPIRED, JobExpired)])
def test_a_job_that_ended_otherwise_raises_so(state: State, error: type[Exception]) -> None:
    with pytest.raises(error, match="no such file"):
        result_of("job-1", ended(state), resize)


@pytest.mark.parametrize(
    ("standing", "kind"),
    [
        (dead(record=None), "image.resize"),
        (dead(record=b"garbage"), "image.resize"),
        (dead(envelope=b"garbage"), "<unreadable>"),
        (dead(envelope=b""), "<unreadable>"),
        (dead(record=None, envelope=None), "<unreadable>"),
    ],
)
def test_a_dead_letter_that_cannot_be_read_has_failed_all_the_same(standing: Standing, kind: str) -> None:
    with pytest.raises(JobFailed) as caught:
        result_of("job-1", standing, resize)
    assert caught.value.kind == kind


@pytest.mark.parametrize("record", [b"garbage", b"{}", b"\x80\x04pickle"])
def test_a_record_that_cannot_be_read_is_a_typed_error(record: bytes) -> None:
    for read in (
        lambda: state_of("j", Standing("ended", record)),
        lambda: result_of("j", Standing("ended", record), None),
    ):
        with pytest.raises(CorruptRecord):
            read()


@pytest.mark.parametrize("told", [None, 5, "late", ["late"], {}])
def test_a_failure_record_of_arq_s_own_worker_is_a_failure(told: Any) -> None:
    document = {"t": 1, "f": "resize", "a": [], "k": {}, "et": 1, "s": False, "r": told, "st": 2, "ft": 3}
    with pytest.raises(JobFailed):
        result_of("job-1", Standing("ended", json.dumps(document).encode()), None)
