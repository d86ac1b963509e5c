"""What is kept of an attempt that went wrong: bounded, readable, whatever the exception was."""

import json
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.errors import CorruptRecord
from monarq.jobs.failure import (
    MAX_MESSAGE_CHARS,
    MAX_TRACEBACK_CHARS,
    Cause,
    Failure,
    as_document,
    clean,
    decode_failure,
    describe,
)

FAILURE = Failure(
    spent=2,
    crashes=1,
    lapses=3,
    cause=Cause.TIMEOUT,
    fence=4,
    worker="w",
    started_ms=1,
    ended_ms=2,
    message="late",
)

#: What is said of the characters that were cut out.
MARK = 60


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


class NotText(Exception):
    def __str__(self) -> str:
        return 5  # type: ignore[return-value]


def test_the_budgets_come_first_where_claim_lua_reads_them() -> None:
    assert FAILURE.encode().startswith(b'{"spent":2,"crashes":1,"lapses":3,')


def test_a_failure_is_read_as_it_was_written() -> None:
    assert decode_failure(FAILURE.encode()) == FAILURE
    assert decode_failure(FAILURE.encode()).cause is Cause.TIMEOUT


def test_only_errors_and_timeouts_spend_an_attempt() -> None:
    assert {cause for cause in Cause if cause.spends_attempt} == {Cause.ERROR, Cause.TIMEOUT}


def test_type_message_and_traceback_of_an_exception_are_kept() -> None:
    told = describe(raised(ValueError("no such user")))
    assert (told["error_type"], told["message"]) == ("ValueError", "no such user")
    assert told["traceback"].startswith("Traceback (most recent call last)")
    assert "in raised" in told["traceback"]


def test_the_cause_of_an_exception_is_in_its_traceback() -> None:
    error = raised(ValueError("second"))
    error.__cause__ = raised(KeyError("first"))
    assert "KeyError: 'first'" in describe(error)["traceback"]


def test_values_of_variables_are_not_in_the_traceback() -> None:
    def handler(password: str) -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused") as caught:
        handler("hunter2" + "!")
    assert "hunter2!" not in describe(caught.value)["traceback"]


@pytest.mark.parametrize(
    "error",
    [
        Unprintable(),
        NotText(),
        ValueError("x" * 10_000_000),
        ValueError("\ud800" * 100_000),
        ValueError("\x00\udfff"),
        type("X" * 100_000, (Exception,), {})(),
        ExceptionGroup("many", [ValueError("x" * 1_000)] * 100),
        RecursionError(),
        KeyboardInterrupt(),
    ],
    ids=lambda error: type(error).__name__[:20].encode("ascii", "replace").decode(),
)
def test_whatever_the_exception_its_description_is_bounded_and_can_be_stored(error: BaseException) -> None:
    told = describe(raised(error))
    # a character that cannot be stored takes six: \ud800
    assert all(len(told[name]) <= 6 * MAX_MESSAGE_CHARS + MARK for name in ("error_type", "message"))
    assert len(told["traceback"]) <= 6 * MAX_TRACEBACK_CHARS + MARK
    failure = Failure(spent=1, crashes=0, cause=Cause.ERROR, fence=1, worker="w", **told)
    assert decode_failure(failure.encode()) == failure
    assert "\x00" not in "".join(told.values())


def test_an_exception_whose_text_cannot_be_had_says_so() -> None:
    assert describe(raised(Unprintable()))["message"] == "<unprintable: __str__ raised RuntimeError>"


def test_a_traceback_of_endless_recursion_is_bounded() -> None:
    def again(n: int) -> int:
        return again(n + 1) + again(n - 1)

    with pytest.raises(RecursionError) as caught:
        again(0)
    assert len(describe(caught.value)["traceback"]) <= MAX_TRACEBACK_CHARS + MARK


def test_what_is_cut_is_the_middle() -> None:
    text = clean("a" * 1_000 + "b" * 1_000_000 + "c" * 1_000, 1_000)
    assert text.startswith("a" * 500)
    assert text.endswith("c" * 500)
    assert "1001000 characters cut" in text
    assert clean("short", 1_000) == "short"


def test_what_cannot_be_stored_is_shown_by_its_number() -> None:
    assert clean("a\ud800b\x00c", 1_000) == r"a\ud800b\x00c"


@given(st.text(st.characters()), st.integers(2, 100))
def test_clean_text_can_be_stored_anywhere(text: str, limit: int) -> None:
    cleaned = clean(text, limit)
    assert cleaned.encode().decode() == cleaned
    assert "\x00" not in cleaned


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_clean_leaves_good_text_alone(text: str) -> None:
    assert clean(text, max(2, len(text))) == text


@pytest.mark.parametrize(
    "record",
    [b"", b"{}", b"[]", b"null", b'{"cause":"error"}', b'{"cause":"whim"}', b'{"cause":[]}', b"\xff"],
)
def test_what_is_no_failure_is_a_corrupt_record(record: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode_failure(record)


def test_a_member_that_nobody_knows_is_a_corrupt_record() -> None:
    with pytest.raises(CorruptRecord):
        decode_failure(json.dumps(asdict(FAILURE) | {"later": 1}).encode())


json_values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())


@given(
    st.binary()
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys([field.name for field in fields(Failure)], json_values)
    ).map(lambda document: json.dumps(document).encode())
)
def test_bytes_are_a_failure_or_a_corrupt_record(record: bytes) -> None:
    try:
        decode_failure(record)
    except CorruptRecord:
        return


def test_a_failure_as_plain_data_is_json() -> None:
    document: dict[str, Any] = as_document(FAILURE)
    assert json.loads(json.dumps(document)) == document
    assert type(document["cause"]) is str
