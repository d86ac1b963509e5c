"""Which letters a filter means, as far as it looks inside them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import DefinitionError
from monarq.jobs.failure import Cause, Failure
from monarq.jobs.store.dead_letter import LetterHead
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.letter_filter import LetterFilter

NOW = datetime.now(UTC)
FAILURE = Failure(
    spent=1,
    crashes=0,
    cause=Cause.ERROR,
    fence=1,
    worker="w1",
    error_type="AddressUnknown",
    message='no street "High"',
    traceback="in ship",
)


def a_head(**given: Any) -> LetterHead:
    envelope = Envelope("parcel.ship", [], {"name": "Zoë", "note": 'say "hi"'}, 0)
    fields = {"body": b"{}", "envelope": envelope, "fault": None, "failure": FAILURE, **given}
    return LetterHead(queue=queue_keys("default"), job_id="ship-7", died_ms=0, **fields)


def test_without_a_field_it_means_every_letter() -> None:
    assert LetterFilter().is_empty
    assert LetterFilter().fits(a_head())
    assert LetterFilter().fits(a_head(envelope=None))


def test_a_kind_is_the_whole_name() -> None:
    assert LetterFilter(kind="parcel.ship").fits(a_head())
    assert not LetterFilter(kind="parcel").fits(a_head())
    assert not LetterFilter(kind="parcel.ship").fits(a_head(envelope=None))


def test_a_fingerprint_is_that_of_the_last_failure() -> None:
    assert LetterFilter(fingerprint=a_head().fingerprint).fits(a_head())
    assert not LetterFilter(fingerprint="0" * 16).fits(a_head())


@pytest.mark.parametrize(
    "text", ["SHIP-7", "addressunknown", 'street "high"', "in ship", "zoë", 'say "hi"', "parcel.", "note"]
)
def test_a_text_is_looked_for_in_all_that_people_see(text: str) -> None:
    assert LetterFilter(text=text).fits(a_head())


@pytest.mark.parametrize("text", ["spent", "traceback", "w1", "nobody"])
def test_a_text_is_not_found_in_names_of_fields(text: str) -> None:
    assert not LetterFilter(text=text).fits(a_head())


def test_a_text_is_looked_for_in_the_bytes_of_what_cannot_be_read() -> None:
    assert LetterFilter(text="pickled").fits(a_head(envelope=None, body=b"\x80pickled"))


def test_all_fields_must_fit() -> None:
    assert not LetterFilter(kind="parcel.ship", text="nobody").fits(a_head())


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"fingerprint": "abc"}, "fingerprint"),
        ({"fingerprint": "0" * 15 + "G"}, "fingerprint"),
        ({"since": datetime(2026, 1, 1)}, "since"),  # noqa: DTZ001 - what is to be refused
        ({"until": datetime(2026, 1, 1)}, "until"),  # noqa: DTZ001
        ({"since": NOW, "until": NOW - timedelta(hours=1)}, "since"),
    ],
)
def test_an_unusable_field_is_named(given: dict[str, Any], named: str) -> None:
    with pytest.raises(DefinitionError, match=named):
        LetterFilter(**given)
