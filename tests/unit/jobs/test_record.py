"""The record of a job's end: arq's shape plus `m`, as JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.envelope import BY_OUTBOX, DURABLE, Envelope, decode, encode_head
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.record import (
    RELAYED_KEPT_MS,
    Attempt,
    decode_record,
    encode_failure,
    encode_success,
    kept_for_relay,
)
from monarq.jobs.state import State

ATTEMPT = Attempt(
    job_id="job-1", queue="mail", attempt=2, started_ms=1_764_000_000_500, ended_ms=1_764_000_000_900
)
FAILURE = Failure(
    spent=2,
    crashes=0,
    cause=Cause.ERROR,
    fence=3,
    worker="w",
    error_type="ValueError",
    message='no "such" user\n\x00',
    traceback="Traceback …",
)
BODY = encode_head("image.resize", b'{"path":"a"}', digest="0123456789abcdef") + b"1764000000000}"


def test_a_success_is_in_arq_s_shape() -> None:
    assert json.loads(encode_success(decode(BODY), ATTEMPT, b'{"width":5}')) == {
        "m": {"v": 1, "h": "0123456789abcdef", "s": "succeeded"},
        "t": 2,
        "f": "image.resize",
        "a": [],
        "k": {"path": "a"},
        "et": 1_764_000_000_000,
        "s": True,
        "st": 1_764_000_000_500,
        "ft": 1_764_000_000_900,
        "q": "mail",
        "id": "job-1",
        "r": {"width": 5},
    }


def test_the_digest_stands_where_enqueue_lua_looks_for_it() -> None:
    assert encode_success(decode(BODY), ATTEMPT, b"1").startswith(b'{"m":{"v":1,"h":"0123456789abcdef"')


def test_a_cancelled_job_tells_by_whom_and_why() -> None:
    note = CancelNote("ann@web-1", "wrong file")
    record = decode_record(encode_failure(decode(BODY), ATTEMPT, FAILURE, State.CANCELLED, note))
    assert (record.result["by"], record.result["reason"]) == ("ann@web-1", "wrong file")


@pytest.mark.parametrize("state", [State.DEAD, State.CANCELLED, State.EXPIRED])
def test_an_end_without_success_tells_what_went_wrong(state: State) -> None:
    record = decode_record(encode_failure(decode(BODY), ATTEMPT, FAILURE, state))
    assert record.state is state
    assert record.result == {
        "type": "ValueError",
        "message": 'no "such" user\n\x00',
        "traceback": "Traceback …",
        "cause": "error",
    }


def test_a_record_is_read_as_it_was_written() -> None:
    record = decode_record(encode_success(decode(BODY), ATTEMPT, b"[1,2]"))
    assert (record.state, record.kind, record.result, record.attempt) == (
        State.SUCCEEDED,
        "image.resize",
        [1, 2],
        2,
    )
    assert (record.enqueued_ms, record.started_ms, record.ended_ms) == (
        1_764_000_000_000,
        1_764_000_000_500,
        1_764_000_000_900,
    )


@pytest.mark.parametrize(("success", "state"), [(True, State.SUCCEEDED), (False, State.DEAD)])
def test_arq_s_own_json_record_is_read(success: bool, state: State) -> None:
    document = {
        "t": 1,
        "f": "resize",
        "a": [],
        "k": {},
        "et": 1,
        "s": success,
        "r": 5,
        "st": 2,
        "ft": 3,
        "q": "arq:queue",
    }
    assert decode_record(json.dumps(document).encode()).state is state


FOREIGN = [
    b'{"t":1,"f":"k","a":[1],"k":{"a":{}},"et":5}',
    b' {"et":5,"k":{},"a":[],"f":"k"} ',
    b'{"m":{},"t":null,"f":"k","a":[],"k":{},"et":5}\n',
    b'{"m":{"x":{}},"t":null,"f":"k","a":[],"k":{},"et":5}',
    b'{"m":{"h":"\\"},{"},"t":null,"f":"k","a":[],"k":{},"et":5}',
    b'{"m":{"p":"}"},"t":null,"f":"k","a":[],"k":{},"et":5}',
    b'{"m":{"h":["x"]},"t":null,"f":"k","a":[],"k":{},"et":5,"f":"twice"}',
    b'{"m":{},"t":null,"f":"k","a":[],"k":{},"et":5,"s":"mine","r":"mine","id":"mine"}',
]


@pytest.mark.parametrize("body", FOREIGN)
def test_the_record_of_any_envelope_can_be_read(body: bytes) -> None:
    """Whoever wrote it, and in whatever order: the record repeats its bytes only where that is safe."""
    envelope = decode(body)
    document = json.loads(encode_success(envelope, ATTEMPT, b'"ours"'))
    assert (document["f"], document["a"], document["k"]) == (envelope.kind, envelope.args, envelope.kwargs)
    assert (document["et"], document["r"], document["id"]) == (5, "ours", "job-1")
    assert document["s"] is True


def test_an_envelope_that_could_not_be_read_has_a_record_too() -> None:
    record = decode_record(encode_failure(Envelope("<unreadable>", [], {}, 0), ATTEMPT, FAILURE))
    assert (record.kind, record.state) == ("<unreadable>", State.DEAD)


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b"null", b'{"s":true}', b"\xff", b'"\\ud800"', b"[" * 10_000]
)
def test_what_is_no_record_is_a_corrupt_record(data: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode_record(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MEMBERS = ["m", "t", "f", "r", "et", "s", "st", "ft"]


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_bytes_are_a_record_or_a_corrupt_record(data: bytes) -> None:
    try:
        decode_record(data)
    except CorruptRecord:
        return


@given(st.fixed_dictionaries(dict.fromkeys(MEMBERS, json_values)))
def test_a_record_with_strange_members_is_read_or_a_corrupt_record(document: dict[str, Any]) -> None:
    try:
        record = decode_record(json.dumps(document).encode())
    except CorruptRecord:
        return
    assert isinstance(record.state, State)


@pytest.mark.parametrize("marks", [BY_OUTBOX, DURABLE])
def test_the_end_of_a_relayed_job_is_kept_for_as_long_as_a_relay_may_bring_it_again(marks: str) -> None:
    body = encode_head("image.resize", b"{}", marks=marks) + b"1764000000000}"
    kept = [kept_for_relay(ms, body) for ms in (0, 60_000, RELAYED_KEPT_MS + 1, -1)]
    assert kept == [RELAYED_KEPT_MS, RELAYED_KEPT_MS, RELAYED_KEPT_MS + 1, -1]


@pytest.mark.parametrize("body", [BODY, None])
def test_the_end_of_any_other_job_is_kept_as_its_kind_says(body: bytes | None) -> None:
    assert [kept_for_relay(ms, body) for ms in (0, 60_000, -1)] == [0, 60_000, -1]
