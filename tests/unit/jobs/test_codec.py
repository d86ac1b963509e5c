"""Which envelopes are read, and in which form their results go out."""

import json
import pickle
from typing import Any

import pytest

from monarq.jobs.codec import Codecs, ForeignCodec
from monarq.jobs.envelope import Envelope, encode_head
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.record import Attempt, decode_record
from monarq.jobs.state import State

ATTEMPT = Attempt(job_id="job-1", queue="mail", attempt=1, started_ms=2, ended_ms=3)
ENVELOPE = Envelope("resize", ["a.png"], {"width": 5}, 1)
FAILURE = Failure(
    spent=1, crashes=0, cause=Cause.ERROR, fence=1, worker="w", error_type="KeyError", message="'a'"
)
DOCUMENT = {"t": None, "f": "resize", "a": ("a.png",), "k": {"width": 5}, "et": 1}


def pickling() -> ForeignCodec:
    return ForeignCodec(pickle.dumps, pickle.loads)


def test_a_json_object_is_ours() -> None:
    codec = Codecs().of(encode_head("kind", b"{}") + b"1}")
    assert codec is Codecs().default or type(codec) is type(Codecs().default)
    assert codec.decode(encode_head("kind", b"{}") + b"1}").kind == "kind"


def test_a_pickle_is_refused_unread_and_the_error_tells_of_the_setting() -> None:
    with pytest.raises(CorruptRecord, match="MONARQ_READ_PICKLED"):
        Codecs().of(pickle.dumps(DOCUMENT))


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"d1:ae"])
def test_anything_else_is_a_corrupt_record(body: bytes) -> None:
    with pytest.raises(CorruptRecord):
        Codecs().of(body)


def test_what_a_foreign_codec_may_read_is_given_to_it_json_objects_apart() -> None:
    codecs = Codecs(pickling())
    assert codecs.of(pickle.dumps(DOCUMENT)).decode(pickle.dumps(DOCUMENT)).args == ["a.png"]
    assert not isinstance(codecs.of(b"{}"), ForeignCodec)


@pytest.mark.parametrize("body", [b"", b"\x80", b"garbage", pickle.dumps(5), pickle.dumps({"f": "kind"})])
def test_what_a_foreign_codec_cannot_read_is_a_corrupt_record(body: bytes) -> None:
    with pytest.raises(CorruptRecord):
        pickling().decode(body)


def test_our_success_is_our_record() -> None:
    data = Codecs().default.success(ENVELOPE, ATTEMPT, b"5", 5)
    assert decode_record(data).result == 5


def test_a_foreign_success_is_arq_s_record_with_the_value_itself() -> None:
    record = pickle.loads(pickling().success(ENVELOPE, ATTEMPT, b"[1,2]", (1, 2)))
    assert record == {
        "t": 1,
        "f": "resize",
        "a": ["a.png"],
        "k": {"width": 5},
        "et": 1,
        "s": True,
        "r": (1, 2),
        "st": 2,
        "ft": 3,
        "q": "mail",
        "id": "job-1",
    }


def test_our_failure_tells_type_message_and_state() -> None:
    data = Codecs().default.failure(ENVELOPE, ATTEMPT, FAILURE, State.EXPIRED, KeyError("a"))
    record = decode_record(data)
    assert record.state is State.EXPIRED
    assert (record.result["type"], record.result["message"]) == ("KeyError", "'a'")


def test_a_foreign_failure_holds_the_exception_itself() -> None:
    record = pickle.loads(pickling().failure(ENVELOPE, ATTEMPT, FAILURE, State.DEAD, KeyError("a")))
    assert record["s"] is False
    assert isinstance(record["r"], KeyError)


def test_a_foreign_failure_that_cannot_be_serialised_holds_its_text() -> None:
    class Local(Exception):
        """Cannot be pickled: nobody could import it."""

    record = pickle.loads(pickling().failure(ENVELOPE, ATTEMPT, FAILURE, State.DEAD, Local("a")))
    assert record["r"] == "KeyError: 'a'"


def test_a_foreign_json_serializer_answers_in_kind() -> None:
    def serialize(document: dict[str, Any]) -> bytes:
        return b"v1" + json.dumps(document).encode()

    def deserialize(body: bytes) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(body.removeprefix(b"v1"))
        return document

    codec = ForeignCodec(serialize, deserialize)
    assert codec.decode(serialize(DOCUMENT)).kwargs == {"width": 5}
    assert codec.success(ENVELOPE, ATTEMPT, b"5", 5).startswith(b"v1{")
