"""Names and ids."""

import time
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs.errors import DefinitionError
from monarq.jobs.identity import check_name, is_job_id, new_job_id


def test_an_id_is_a_valid_uuid_of_version_7() -> None:
    for _ in range(1_000):
        job_id = new_job_id()
        parsed = uuid.UUID(hex=job_id)
        assert parsed.hex == job_id
        assert parsed.version == 7
        assert parsed.variant == uuid.RFC_4122


def test_the_first_48_bits_are_the_time_in_ms() -> None:
    before = time.time_ns() // 1_000_000
    milliseconds = uuid.UUID(hex=new_job_id()).int >> 80
    assert before <= milliseconds <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("later_ns", [1_000_000, 1_000, 250])
def test_ids_sort_by_time_also_within_a_millisecond(monkeypatch: pytest.MonkeyPatch, later_ns: int) -> None:
    clock = 1_764_000_000_123_000_000
    ids = []
    for _ in range(100):
        monkeypatch.setattr(time, "time_ns", lambda now=clock: now)
        ids.append(new_job_id())
        clock += later_ns
    assert ids == sorted(ids)


def test_ids_of_one_instant_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_764_000_000_123_456_789)
    assert len({new_job_id() for _ in range(10_000)}) == 10_000


def test_an_id_of_ours_is_an_id_that_an_app_may_give() -> None:
    assert is_job_id(new_job_id())
    assert is_job_id("{mail}" + new_job_id())


@pytest.mark.parametrize("name", ["mail", "a", "9lives", "_x", "App.Mail:v2@eu/west+1-b", "x" * 128])
def test_a_name_is_given_back(name: str) -> None:
    assert check_name("queue", name) == name


UNUSABLE = [
    *("", " ", "a b", "a\n", "a\x00", "{a}", "*", "a?", "[a]", 'a"', "a\\"),
    *("é", "\u202ea", "a\u200b", "\ud800", "-a", ".a", ":a", "x" * 129, "x" * 1_000_000),
]


@pytest.mark.parametrize("name", [*UNUSABLE, None, 5, b"a"])
def test_a_name_that_is_not_safe_in_a_key_is_refused(name: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^queue: "):
        check_name("queue", name)


def test_the_refusal_of_a_long_name_is_short() -> None:
    with pytest.raises(DefinitionError) as caught:
        check_name("queue", "x" * 1_000_000)
    assert len(str(caught.value)) < 1_000


@given(st.text())
def test_an_accepted_name_is_printable_ascii_without_what_keys_and_globs_use(name: str) -> None:
    try:
        check_name("kind", name)
    except DefinitionError:
        return
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set(" {}*?[]\\\"'")


@pytest.mark.parametrize("job_id", ["1", "order-7", "{mail}x", "a=b", "x" * 200])
def test_an_app_may_give_such_ids(job_id: str) -> None:
    assert is_job_id(job_id)


@pytest.mark.parametrize("job_id", ["", " ", "a b", "a\n", "é", "*", "x" * 201, None, 5, b"a"])
def test_an_app_may_not_give_such_ids(job_id: Any) -> None:
    assert not is_job_id(job_id)
