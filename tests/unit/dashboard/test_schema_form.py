"""Forms made from the schema of a kind: what is typed in comes out as it was meant, whatever its type."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from monarq.dashboard.pages.schema_form import (
    PREFIX,
    arguments_of,
    fields_of,
    filled,
    typed_in,
    with_faults,
)
from monarq.dashboard.services.kinds import schema_of
from monarq.jobs import job


class Size(Enum):
    """Of a shirt."""

    SMALL = "s"
    LARGE = "l"


@dataclass
class Line:
    """Of an order."""

    sku: str


@job("test.kind")
async def handler(
    ctx: object,
    name: str,
    number: int,
    when: datetime,
    lines: list[Line],
    letter: Annotated[str, Field(max_length=5_000)] = "",
    ratio: float = 0.5,
    size: Size = Size.SMALL,
    way: Literal["up", 2, None] = "up",
    flag: bool = False,
    maybe: int | None = None,
    anything: Any = None,
    line: Line | None = None,
    described: Annotated[str, Field(description="what it is")] = "x",
) -> None: ...


SCHEMA = schema_of(handler) or {}


def shape_of(name: str) -> str:
    return {field.name: field.shape for field in fields_of(SCHEMA)}[name]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("name", "text"),
        ("number", "number"),
        ("when", "text"),
        ("lines", "json"),
        ("letter", "lines"),
        ("ratio", "number"),
        ("size", "choice"),
        ("way", "choice"),
        ("flag", "choice"),
        ("maybe", "number"),
        ("anything", "json"),
        ("line", "json"),
    ],
)
def test_each_type_has_the_input_that_fits_it(name: str, shape: str) -> None:
    assert shape_of(name) == shape


def test_what_must_be_given_is_marked_and_what_need_not_says_what_holds_then() -> None:
    fields = {field.name: field for field in fields_of(SCHEMA)}
    assert [name for name, field in fields.items() if field.is_required] == [
        "name",
        "number",
        "when",
        "lines",
    ]
    assert fields["ratio"].hint == "empty: 0.5"
    assert fields["described"].hint == 'what it is · empty: "x"'
    assert fields["size"].options == ('"s"', '"l"')
    assert fields["way"].options == ('"up"', "2", "null")


def test_what_is_typed_comes_out_as_it_was_meant() -> None:
    form = {
        "name": "17",
        "number": str(2**70),
        "when": "2030-01-01T00:00:00Z",
        "lines": '[{"sku": "a"}]',
        "letter": "one\r\ntwo",
        "ratio": "1.5",
        "size": '"l"',
        "way": "null",
        "flag": "true",
        "maybe": "",
        "line": "",
    }
    fields = typed_in(fields_of(SCHEMA), {PREFIX + name: text for name, text in form.items()})
    assert [field.fault for field in fields if field.fault] == []
    assert arguments_of(fields) == {
        "name": "17",
        "number": 2**70,
        "when": "2030-01-01T00:00:00Z",
        "lines": [{"sku": "a"}],
        "letter": "one\ntwo",
        "ratio": 1.5,
        "size": "l",
        "way": None,
        "flag": True,
    }


def test_what_is_left_empty_is_left_out_but_for_text_that_must_be_given() -> None:
    assert arguments_of(typed_in(fields_of(SCHEMA), {})) == {"name": ""}


def test_a_number_that_is_none_is_left_to_the_kind_to_refuse() -> None:
    fields = typed_in(fields_of(SCHEMA), {"args.number": "many"})
    assert arguments_of(fields)["number"] == "many"


def test_what_is_no_json_is_a_fault_of_its_field() -> None:
    fields = {field.name: field for field in typed_in(fields_of(SCHEMA), {"args.lines": "[1"})}
    assert "not JSON" in (fields["lines"].fault or "")
    assert fields["lines"].value == "[1"


def test_arguments_are_typed_in_as_they_would_be_typed() -> None:
    args = {"name": "a", "number": 2**70, "lines": [{"sku": "a"}], "size": "l", "flag": True, "way": None}
    args["when"] = "2030-01-01T00:00:00Z"
    fields = filled(fields_of(SCHEMA), args)
    shown = {PREFIX + field.name: field.value for field in fields}
    assert arguments_of(typed_in(fields_of(SCHEMA), shown)) == args


def test_a_fault_inside_of_an_argument_is_told_at_its_field_with_its_place() -> None:
    fields = with_faults(fields_of(SCHEMA), {"lines.0.sku": "is missing", "name": "is odd", "none": "x"})
    faults = {field.name: field.fault for field in fields if field.fault}
    assert faults == {"lines": "0.sku: is missing", "name": "is odd"}


def test_a_schema_that_refers_to_itself_makes_a_form() -> None:
    schema = {"properties": {"tree": {"$ref": "#/$defs/T"}}, "$defs": {"T": {"$ref": "#/$defs/T"}}}
    assert [field.shape for field in fields_of(schema)] == ["json"]
