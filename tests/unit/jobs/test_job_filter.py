"""Which finished jobs are meant: what cannot be is told before anything is asked."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic_core import from_json

from monarq.jobs.cli.job_options import read_payload_field
from monarq.jobs.errors import DefinitionError
from monarq.jobs.store.job_filter import JobFilter, PayloadField

DAY = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("state", value) for value in ("", "ready", "running", "Dead")),
        *(("priority", value) for value in ("", "urgent")),
        *(("fingerprint", value) for value in ("", "12", "g" * 16)),
        *(("since", value) for value in (datetime(2030, 1, 1),)),  # noqa: DTZ001
        *(("until", value) for value in (datetime(2030, 1, 1),)),  # noqa: DTZ001
        *(("text", value) for value in ("", " ", "*", "&|!")),
        *((name, "a\0b") for name in ("queue", "kind", "tag", "worker", "text")),
        *((name, "\ud800") for name in ("queue", "kind", "tag", "worker", "text")),
    ],
)
def test_a_filter_that_cannot_be_is_named(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"^{option}: "):
        JobFilter(**{option: value})


def test_since_is_before_until() -> None:
    with pytest.raises(DefinitionError, match=r"^since: "):
        JobFilter(since=DAY, until=DAY)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *((path, 1) for path in ("", ".", "a.", ".a", "a..b", "[]", "a.[]", "a\0b")),
        *(("a", value) for value in ("\ud800", "a\0", float("nan"), float("inf"), [], {}, [1])),
    ],
)
def test_a_field_of_the_payload_that_cannot_be_is_refused(path: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^payload: "):
        PayloadField(path, value)


@pytest.mark.parametrize(
    ("told", "document"),
    [
        ("width=200", {"width": 200}),
        ("rate=0.5", {"rate": 0.5}),
        ("customer.country=de", {"customer": {"country": "de"}}),
        ('id="42"', {"id": "42"}),
        ("gone=null", {"gone": None}),
        ("is_new=true", {"is_new": True}),
        ("query=a=b", {"query": "a=b"}),
        ("empty=", {"empty": ""}),
        ("lines[].sku=A-17", {"lines": [{"sku": "A-17"}]}),
        ("words[]=x", {"words": ["x"]}),
        ("odd=NaN", {"odd": "NaN"}),
        ('name="', {"name": '"'}),
        ("number=100000000000000000000", {"number": 10**20}),
    ],
)
def test_a_field_of_the_payload_is_the_smallest_document_that_has_it(told: str, document: Any) -> None:
    assert from_json(read_payload_field(told).as_json()) == document


@pytest.mark.parametrize("told", ["width", "", "=1", "a=[1]", 'a={"b":1}'])
def test_a_field_that_cannot_be_read_is_refused(told: str) -> None:
    with pytest.raises(DefinitionError, match=r"^payload: "):
        read_payload_field(told)
