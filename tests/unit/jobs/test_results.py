"""Results: from what a handler returned to JSON and back."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from pydantic_core import from_json

from monarq.jobs.errors import InvalidResult, MonarqError
from monarq.jobs.payload import Result


class Report(BaseModel):
    user_id: int = Field(alias="userId")
    when: datetime


@dataclass
class Point:
    x: float
    raw: bytes = b""


def result_of(annotation: Any) -> Result:
    async def handler(ctx: Any) -> Any: ...

    handler.__annotations__["return"] = annotation
    return Result("kind", handler)


def travel(annotation: Any, value: Any) -> Any:
    """What `handle.result()` gives, through the JSON that lies in Redis."""
    result = result_of(annotation)
    return result.decode(from_json(result.encode(value)))


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (None, None),
        (int, 2**64 + 1),
        (str, "a\x00"),
        (bytes, b"\xff"),
        (bytes | None, None),
        (float, math.inf),
        (Decimal, Decimal("1.10")),
        (datetime, datetime(2024, 1, 1, tzinfo=UTC)),
        (UUID, UUID(int=1)),
        (set[int], {1, 2}),
        (tuple[int, str], (1, "a")),
        (dict[int, str], {1: "a"}),
        (Point, Point(0.5, b"\xff")),
        (Report, Report(userId=1, when=datetime(2024, 1, 1, tzinfo=UTC))),
        (list[Report], [Report(userId=1, when=datetime(2024, 1, 1, tzinfo=UTC))]),
        (Any, {"a": [1, None]}),
    ],
)
def test_a_result_arrives_in_the_type_that_the_handler_returns(annotation: Any, value: Any) -> None:
    arrived = travel(annotation, value)
    assert arrived == value
    assert type(arrived) is type(value)


def test_nan_arrives_as_nan() -> None:
    assert math.isnan(travel(float, math.nan))
    assert math.isnan(travel(Point, Point(math.nan)).x)


def test_none_is_null_at_once() -> None:
    assert result_of(None).encode(None) == b"null"


def test_without_an_annotation_a_result_is_plain_json() -> None:
    async def handler(ctx: Any):  # type: ignore[no-untyped-def]
        ...

    result = Result("kind", handler)
    assert (
        result.encode({"at": datetime(2024, 1, 1, tzinfo=UTC), "ids": {1}})
        == b'{"at":"2024-01-01T00:00:00Z","ids":[1]}'
    )


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(int, "many"), (None, 5), (Report, {"userId": 1}), (str, "\ud800"), (Any, object()), (Any, "\ud800")],
)
def test_a_result_that_does_not_fit_is_a_typed_error_that_repeats_no_value(
    annotation: Any, value: Any
) -> None:
    with pytest.raises(InvalidResult) as caught:
        result_of(annotation).encode(value)
    assert str(caught.value).startswith("kind: ")
    assert "many" not in str(caught.value)


def test_a_result_nested_too_deeply_is_a_typed_error() -> None:
    value: list[Any] = []
    for _ in range(10_000):
        value = [value]
    with pytest.raises(InvalidResult):
        result_of(Any).encode(value)


def test_a_recorded_result_that_no_longer_fits_is_a_typed_error() -> None:
    with pytest.raises(MonarqError) as caught:
        result_of(Report).decode({"userId": "x"})
    assert isinstance(caught.value, InvalidResult)
    assert set(caught.value.faults) == {"userId", "when"}


def test_a_nameless_fault_is_called_the_result() -> None:
    with pytest.raises(InvalidResult) as caught:
        result_of(int).decode("x")
    assert set(caught.value.faults) == {"result"}
