"""Arguments through an envelope: as they were, or refused by a typed error when the call is made."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, Field, PlainSerializer, SecretStr
from typing_extensions import TypedDict

from monarq.jobs import envelope
from monarq.jobs.errors import InvalidArguments
from monarq.jobs.handler import Handler, job

NAN, INF = math.nan, math.inf


class Colour(Enum):
    RED = 1
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Size(StrEnum):
    BIG = "big"


@dataclass
class Point:
    x: float
    y: float = 0.0
    raw: bytes = b""


class User(BaseModel):
    name: str
    age: int | None = None
    tags: set[str] = set()
    born: date | None = None


class Admin(User):
    rights: int = 7


class Aliased(BaseModel):
    user_id: int = Field(alias="userId")


class Measured(BaseModel):
    value: float
    raw: bytes = b""


class Excluding(BaseModel):
    kept: int
    lost: int = Field(default=0, exclude=True)


class Tree(BaseModel):
    child: "Tree | None" = None


class Pair(NamedTuple):
    left: int
    right: str


class Options(TypedDict, total=False):
    width: int
    ratio: float


class Opaque:
    """Has no JSON form."""


def handler_of(annotation: Any) -> Handler[..., None]:
    async def handler(ctx: Any, value: Any) -> None: ...

    handler.__annotations__["value"] = annotation
    return job("kind")(handler)


def travel(annotation: Any, value: Any) -> Any:
    """What the handler gets, through the bytes that lie in Redis."""
    handler = handler_of(annotation)
    body = envelope.encode_head("kind", handler.of(value).arguments) + b"1764000000000}"
    decoded = envelope.decode(body)
    return handler.arguments.decode(decoded.args, decoded.kwargs)["value"]


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def tree(depth: int) -> Tree:
    value = Tree()
    for _ in range(depth - 1):
        value = Tree(child=value)
    return value


def numbered(cases: list[tuple[Any, Any]]) -> list[str]:
    """Names for cases whose values are too large, or too strange, to be names."""
    return [f"{n}-{getattr(annotation, '__name__', annotation)}" for n, (annotation, _) in enumerate(cases)]


FAITHFUL = [
    (str, "plain"),
    (str, ""),
    (str, "a\x00b\x1b[31m\r\n"),
    (str, "\u202e\u200b\u2028\ufffe\U0010ffff"),
    (bytes, b"\xff\x00abc"),
    (bytes, b""),
    (int, 2**53 + 1),
    (int, -(2**64) - 1),
    (int, 10**4000),
    (float, 5e-324),
    (float, INF),
    (float | None, -INF),
    (bool, True),
    (type(None), None),
    (int | None, None),
    (int | None, 5),
    (datetime, datetime(2024, 2, 29, 1, 2, 3, 456789)),  # noqa: DTZ001 - so that naive ones stay naive
    (datetime, datetime(2024, 2, 29, tzinfo=UTC)),
    (datetime, datetime(2024, 2, 29, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))),
    (datetime, datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Zurich"))),
    (date, date.max),
    (time, time(23, 59, 59, 999999)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (timedelta, timedelta.max),
    (Decimal, Decimal("1.10")),
    (Decimal, Decimal("-1E+1000")),
    (Decimal, Decimal("0." + "1" * 100)),
    (UUID, UUID(int=2**128 - 1)),
    (Colour, Colour.RED),
    (Colour, Colour.BLUE),
    (Level, Level.LOW),
    (Size, Size.BIG),
    (Literal["a", 1], 1),
    (Path, Path("/a/b")),
    (list[int], [1, 2]),
    (set[int], {1, 2}),
    (frozenset[str], frozenset("ab")),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (dict[str, int], {"": 1, "a b": 2}),
    (dict[int, str], {1: "a"}),
    (dict[UUID, int], {UUID(int=1): 1}),
    (dict[bytes, int], {b"\xff": 1}),
    (Point, Point(1.5, -0.5, b"\xff")),
    (User, User(name="Ann", age=2**70, tags={"a"}, born=date(2000, 1, 1))),
    (Aliased, Aliased(userId=5)),
    (Pair, Pair(1, "a")),
    (Options, {"ratio": 0.1}),
    (Options, {}),
    (Tree, tree(40)),
    (int | str, "1"),
    (int | str, 1),
    (bytes | int, b"5"),
    (Any, {"a": [1, None, True, 0.5, "b"], "c": {}}),
    (Any, 2**64 + 1),
    (Any, nested(150)),
    (list[Any], [1, "a", None]),
]


@pytest.mark.parametrize(("annotation", "value"), FAITHFUL, ids=numbered(FAITHFUL))
def test_a_value_arrives_as_it_was(annotation: Any, value: Any) -> None:
    arrived = travel(annotation, value)
    assert arrived == value
    assert type(arrived) is type(value)


def test_nan_arrives_as_nan() -> None:
    assert math.isnan(travel(float, NAN))
    assert math.isnan(travel(float | None, NAN))
    assert math.isnan(travel(list[float], [1.0, NAN])[1])
    assert math.isnan(travel(Point, Point(NAN)).x)
    assert math.isnan(travel(Options, {"ratio": NAN})["ratio"])


def test_a_negative_zero_keeps_its_sign() -> None:
    assert math.copysign(1, travel(float, -0.0)) == -1


REFUSED = [
    (str, "\ud800"),
    (str, "fine until \udfff"),
    (list[str], ["a", "\ud800"]),
    (dict[str, int], {"\ud800": 1}),
    (Any, "\ud800"),
    (Any, {"\ud800": 1}),
    (int, 10**4300),
    (int, 10**5000),
    (Any, 10**5000),
    (list[int], [10**5000]),
    (Any, nested(250)),
    (Any, nested(10_000)),
    (Tree, tree(210)),
    (Decimal, Decimal("NaN")),
    (float, 10**400),
    (Any, NAN),
    (Any, b"abc"),
    (Any, b"\xff"),
    (Any, datetime(2024, 1, 1, tzinfo=UTC)),
    (Any, {1, 2}),
    (Any, {1: 2}),
    (Any, {(1, 2): 3}),
    (Any, Point(1)),
    (Any, User(name="Ann")),
    (Any, Colour.RED),
    (Any, Opaque()),
    (Any, lambda: None),
    (list[Any], [b"a"]),
    (dict[str, Any], {"when": date(2024, 1, 1)}),
    (dict[tuple[int, int], str], {(1, 2): "a"}),
    (Callable[..., Any], print),
    (User, Admin(name="Ann")),
    (Measured, Measured(value=NAN)),
    (Measured, Measured(value=1, raw=b"\xff")),
    (Excluding, Excluding(kept=1, lost=2)),
    (SecretStr, SecretStr("hunter2")),
    (Iterable[int], [1, 2]),
    (Annotated[int, PlainSerializer(lambda value: value + 1)], 1),
    (Annotated[int, PlainSerializer(lambda value: "one")], 1),
    (Annotated[int, PlainSerializer(lambda value: Opaque())], 1),
    (Annotated[int, AfterValidator(lambda value: value + 1)], 1),
]


@pytest.mark.parametrize(("annotation", "value"), REFUSED, ids=numbered(REFUSED))
def test_what_would_not_arrive_as_it_was_is_refused_when_the_call_is_made(
    annotation: Any, value: Any
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        handler_of(annotation).of(value)
    assert {place.partition(".")[0] for place in caught.value.faults} == {"value"}


def test_only_the_argument_that_cannot_travel_is_named() -> None:
    async def handler(ctx: Any, name: str, extra: Any, blob: Any) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        job("kind")(handler).of("Ann", {"fine": 1}, b"blob")
    assert caught.value.faults == {
        "blob": "would come back from JSON as str, not bytes; annotate it with its type"
    }
    with pytest.raises(InvalidArguments) as caught:
        job("kind")(handler).of("Ann", "\ud800", 1)
    assert set(caught.value.faults) == {"extra"}


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidArguments) as caught:
        handler_of(SecretStr).of(SecretStr("hunter2"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("annotation", [Any, Sequence[int]])
def test_where_any_sequence_will_do_a_tuple_arrives_as_a_list(annotation: Any) -> None:
    assert travel(annotation, (1, 2)) == [1, 2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
@example("\x00")
@example({"f": 1, "et": 2, '"': "\\"})
def test_any_json_value_arrives_as_it_was(value: Any) -> None:
    assert travel(Any, value) == value


@given(
    st.one_of(
        st.tuples(st.just(str), st.text(st.characters())),
        st.tuples(st.just(bytes), st.binary()),
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats()),
        st.tuples(st.just(Decimal), st.decimals(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just(datetime), st.datetimes(timezones=st.none() | st.just(UTC))),
        st.tuples(st.just(timedelta), st.timedeltas()),
        st.tuples(st.just(time), st.times()),
        st.tuples(st.just(UUID), st.uuids()),
        st.tuples(st.just(dict[str, bytes]), st.dictionaries(st.text(st.characters()), st.binary())),
        st.tuples(st.just(set[int]), st.sets(st.integers())),
        st.tuples(st.just(bytes | str), st.binary() | st.text(st.characters())),
    )
)
def test_a_typed_value_arrives_as_it_was_or_is_refused(case: tuple[Any, Any]) -> None:
    annotation, value = case
    try:
        arrived = travel(annotation, value)
    except InvalidArguments:
        return
    assert arrived == value or (value != value and arrived != arrived)


def test_arguments_of_arq_s_own_producers_are_positional_json() -> None:
    async def handler(ctx: Any, path: str, width: int = 1, *, when: datetime | None = None) -> None: ...

    arguments = job("kind")(handler).arguments
    assert arguments.decode(["a", 5], {"when": "2024-01-01T00:00:00Z"}) == {
        "path": "a",
        "width": 5,
        "when": datetime(2024, 1, 1, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("args", "kwargs", "named"),
    [
        ([], {}, "path"),
        ([5], {}, "path"),
        (["a", 1, 2], {}, "arguments"),
        (["a"], {"path": "b"}, "path"),
        ([], {"path": "a", "gone": 1}, "gone"),
    ],
)
def test_arguments_that_do_not_fit_when_the_job_runs_are_named(
    args: list[Any], kwargs: dict[str, Any], named: str
) -> None:
    async def handler(ctx: Any, path: str, width: int = 1) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        job("kind")(handler).arguments.decode(args, kwargs)
    assert set(caught.value.faults) == {named}


@given(st.lists(json_values, max_size=4), st.dictionaries(st.text(), json_values, max_size=4))
def test_whatever_json_an_envelope_holds_it_fits_or_is_refused(
    args: list[Any], kwargs: dict[str, Any]
) -> None:
    async def handler(ctx: Any, path: str, user: User, points: list[Point] = []) -> None: ...  # noqa: B006

    try:
        job("kind")(handler).arguments.decode(args, kwargs)
    except InvalidArguments:
        return
