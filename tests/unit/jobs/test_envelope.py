"""The job as it lies in Redis: arq's shape plus `m`, as JSON; anything else is a `CorruptRecord`."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs import envelope
from monarq.jobs.envelope import (
    Envelope,
    content_digest,
    decode,
    encode_body,
    encode_head,
    from_document,
    unique_key_of,
)
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.priority import Priority

ET = b"1764000000000"
WHOLE = {"t": None, "f": "kind", "a": [], "k": {}, "et": 1_764_000_000_000}


def body_of(**options: Any) -> bytes:
    return encode_head("image.resize", b'{"path":"a"}', **options) + ET + b"}"


def test_a_head_with_the_server_s_time_and_a_brace_is_json_in_arq_s_shape() -> None:
    assert json.loads(body_of()) == {
        "m": {"v": envelope.VERSION},
        "t": None,
        "f": "image.resize",
        "a": [],
        "k": {"path": "a"},
        "et": 1_764_000_000_000,
    }


def test_m_tells_what_differs_from_the_default() -> None:
    options = {
        "queue": "mail",
        "priority": Priority.LOW,
        "expires_in": timedelta(seconds=1.5),
        "digest": "0" * 16,
    }
    assert json.loads(body_of(**options))["m"] == {"v": 1, "h": "0" * 16, "q": "mail", "p": "low", "x": 1500}


def test_tags_stand_behind_all_that_the_scripts_look_for() -> None:
    body = body_of(digest="0" * 16, queue="mail", tags=("eu", "customer:17"))
    assert b'"m":{"v":1,"h":"0000000000000000","q":"mail","g":["eu","customer:17"]}' in body
    assert decode(body).tags == ["eu", "customer:17"]
    assert decode(body).members == decode(body_of()).members


@pytest.mark.parametrize(
    ("told", "tags"), [(None, []), ("eu", []), ({"eu": 1}, []), (["eu", 5, None], ["eu"])]
)
def test_tags_that_are_none_are_left_out(told: Any, tags: list[str]) -> None:
    assert from_document(WHOLE | {"m": {"g": told}}).tags == tags


def test_the_digest_stands_where_enqueue_lua_looks_for_it() -> None:
    assert body_of(digest="0123456789abcdef").startswith(b'{"m":{"v":1,"h":"0123456789abcdef"')


KEY = "0123456789abcdef" * 2


def test_the_unique_key_stands_where_the_scripts_look_for_it() -> None:
    assert body_of(unique=f"start:{KEY}", digest="f" * 16).startswith(
        b'{"m":{"u":"start:%b","v":1,"h":"ffffffffffffffff"' % KEY.encode()
    )


@pytest.mark.parametrize("until", ["start", "success", "end", "window"])
def test_a_unique_key_is_read_as_it_was_written(until: str) -> None:
    body = body_of(unique=f"{until}:{KEY}", queue="mail")
    assert unique_key_of(body) == (until, KEY)
    assert decode(body).members
    assert unique_key_of(body_of()) is None


@pytest.mark.parametrize("told", ["", "end", "never:" + KEY, f"end:{KEY}0", "end:xyz", 5, None, [], {}])
def test_what_is_no_unique_key_is_none(told: Any) -> None:
    body = json.dumps({"m": {"u": told}}, separators=(",", ":")).encode()
    assert unique_key_of(body) is None
    assert unique_key_of(body[:-5]) is None


def test_a_unique_key_is_found_in_an_envelope_that_cannot_be_read() -> None:
    assert unique_key_of(b'{"m":{"u":"end:%b",rubbish' % KEY.encode()) == ("end", KEY)


def test_an_envelope_is_read_as_it_was_written() -> None:
    read = decode(body_of(priority=Priority.HIGH, expires_in=timedelta(seconds=5), digest="f" * 16))
    assert (read.kind, read.args, read.kwargs) == ("image.resize", [], {"path": "a"})
    assert (read.enqueued_ms, read.first_attempt) == (1_764_000_000_000, None)
    assert (read.priority, read.digest) == (Priority.HIGH, "f" * 16)
    assert read.expires_ms == 1_764_000_005_000


def test_the_defaults_are_normal_priority_and_no_deadline() -> None:
    read = decode(body_of())
    assert (read.priority, read.digest, read.expires_ms) == (Priority.NORMAL, None, None)


def test_arq_s_own_envelope_is_read() -> None:
    read = decode(b'{"t": 3, "f": "resize", "a": ["a.png", 5], "k": {"crop": true}, "et": 1764000000000}')
    assert (read.kind, read.args, read.kwargs, read.first_attempt) == (
        "resize",
        ["a.png", 5],
        {"crop": True},
        3,
    )
    assert read.priority is Priority.NORMAL


def test_the_digest_tells_contents_and_kinds_apart() -> None:
    digest = content_digest("kind", b'{"a":1}')
    assert digest == content_digest("kind", b'{"a":1}')
    assert len({digest, content_digest("kind", b'{"a":2}'), content_digest("other", b'{"a":1}')}) == 3
    assert len(content_digest("k" * 128, b"{}")) == 16


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"5",
        b'"text"',
        b"\x80\x04pickle",
        b"\xff\xfe",
        b"{}",
        body_of()[:-1],
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"f":"\\ud800","a":[],"k":{},"et":1}',
        b'{"f":"k","a":[],"k":{},"et":' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_envelope_is_a_corrupt_record(body: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode(body)


@pytest.mark.parametrize("member", ["f", "a", "k", "et"])
def test_a_missing_member_is_named(member: str) -> None:
    document = {name: value for name, value in WHOLE.items() if name != member}
    with pytest.raises(CorruptRecord, match=f"lacks '{member}'"):
        from_document(document)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("f", value) for value in (None, 5, [], {})),
        *(("a", value) for value in (None, 5, "args", {})),
        *(("k", value) for value in (None, 5, [], "kwargs")),
        *(("et", value) for value in (None, 0.5, "now", -1, 10**30)),
        *(("t", value) for value in ("1", 0.5, [])),
        *(("m", value) for value in (5, "m", [1])),
    ],
)
def test_a_member_of_another_type_is_a_corrupt_record(member: str, value: Any) -> None:
    with pytest.raises(CorruptRecord):
        from_document(WHOLE | {member: value})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def read_all(read: Envelope) -> tuple[Any, ...]:
    return read.priority, read.digest, read.expires_ms, encode_body(read)


@given(st.binary())
def test_bytes_are_an_envelope_or_a_corrupt_record(body: bytes) -> None:
    try:
        read_all(decode(body))
    except CorruptRecord:
        return


@given(json_values)
def test_json_is_an_envelope_or_a_corrupt_record(document: Any) -> None:
    try:
        read_all(decode(json.dumps(document).encode()))
    except CorruptRecord:
        return


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(["t", "f", "a", "k", "et", "m"], json_values)))
def test_an_envelope_with_strange_members_is_read_or_a_corrupt_record(members: dict[str, Any]) -> None:
    try:
        read_all(decode(json.dumps(WHOLE | members).encode()))
    except CorruptRecord:
        return


@given(st.dictionaries(st.sampled_from(["v", "h", "q", "p", "x"]), json_values))
def test_whatever_m_holds_the_envelope_can_be_read(meta: dict[str, Any]) -> None:
    read = decode(json.dumps(WHOLE | {"m": meta}).encode())
    assert isinstance(read.priority, Priority)
    assert read.digest is None or len(read.digest) == 16
    assert read.expires_ms is None or isinstance(read.expires_ms, int)


@given(json_values.filter(lambda value: value == value), st.dictionaries(st.text(), json_values))
def test_an_envelope_written_again_reads_the_same(argument: Any, kwargs: dict[str, Any]) -> None:
    first = from_document(WHOLE | {"a": [argument], "k": kwargs, "m": {"v": 1, "p": "high"}})
    try:
        second = decode(encode_body(first))
    except CorruptRecord:  # an integer of too many digits, say
        return
    assert (second.kind, second.enqueued_ms, second.meta) == (first.kind, first.enqueued_ms, first.meta)
    assert repr((second.args, second.kwargs)) == repr((first.args, first.kwargs)) or "nan" in repr(first)
