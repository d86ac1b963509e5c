"""Unique rules: what they take, and which jobs are the same by them."""

import re
from dataclasses import FrozenInstanceError, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monarq.jobs import JobContext, Unique, job
from monarq.jobs.errors import DefinitionError, InvalidArguments
from monarq.jobs.handler import Call


@dataclass
class Order:
    number: int
    at: datetime


@job("order.pack")
async def pack(ctx: JobContext, order: Order, note: str = "", *, urgent: bool = False) -> None: ...


@job("order.send")
async def send(ctx: JobContext, order: Order, note: str = "", *, urgent: bool = False) -> None: ...


#: A default that JSON cannot carry.
UNKNOWN: Any = object()


@job("odd")
async def odd(ctx: JobContext, a: int = UNKNOWN, b: int = 2) -> None: ...


AT = datetime(2030, 1, 1, tzinfo=UTC)


def digest(rule: Unique, call: Call[Any]) -> str:
    return rule.digest(call.handler.kind, call.handler.arguments, call.arguments)


def packed(number: int = 7, note: str = "", **options: Any) -> Call[Any]:
    return pack.of(Order(number, AT), note, **options)


# --- which jobs are the same


def test_a_digest_is_32_hex_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", digest(Unique(), packed()))


def test_without_by_all_arguments_count() -> None:
    assert digest(Unique(), packed()) == digest(Unique(), packed())
    others = {digest(Unique(), call) for call in (packed(8), packed(note="x"), packed(urgent=True))}
    assert digest(Unique(), packed()) not in others
    assert len(others) == 3


def test_only_the_named_arguments_count() -> None:
    rule = Unique(by=["order"])
    assert digest(rule, packed(note="x")) == digest(rule, packed(urgent=True))
    assert digest(rule, packed(7)) != digest(rule, packed(8))


def test_the_order_of_the_names_does_not_count() -> None:
    assert digest(Unique(by=["note", "order"]), packed()) == digest(Unique(by=("order", "note")), packed())


def test_with_no_names_all_jobs_of_the_kind_are_the_same() -> None:
    assert digest(Unique(by=[]), packed(7)) == digest(Unique(by=[]), packed(8))


def test_another_kind_is_never_the_same() -> None:
    for rule in (Unique(), Unique(by=[]), Unique(by=lambda arguments: "x")):
        assert digest(rule, packed()) != digest(rule, send.of(Order(7, AT)))


def test_an_argument_that_is_left_out_counts_with_its_default() -> None:
    assert digest(Unique(), packed()) == digest(Unique(), pack.of(Order(7, AT), note="", urgent=False))
    assert digest(Unique(by=["note"]), packed()) == digest(Unique(by=["note"]), packed(note=""))


def test_a_default_that_json_cannot_carry_is_no_obstacle() -> None:
    assert digest(Unique(), odd.of()) == digest(Unique(), odd.of(b=2))
    assert digest(Unique(), odd.of()) != digest(Unique(), odd.of(5))


def test_a_function_gets_the_arguments_as_the_handler_does() -> None:
    seen: list[dict[str, Any]] = []

    def by(arguments: dict[str, Any]) -> int:
        seen.append(arguments)
        return int(arguments["order"].number)

    rule = Unique(by=by)
    assert digest(rule, packed(7, note="x")) == digest(rule, packed(7))
    assert digest(rule, packed(8)) != digest(rule, packed(7))
    assert seen[0] == {"order": Order(7, AT), "note": "x", "urgent": False}


@pytest.mark.parametrize("answer", ["a", 5, None, ["a", 1], {"b": 1, "a": [2]}, AT, Order(7, AT)])
def test_a_function_may_return_whatever_json_carries(answer: Any) -> None:
    assert digest(Unique(by=lambda _: answer), packed()) == digest(Unique(by=lambda _: answer), packed(8))


def test_the_order_of_keys_that_a_function_returns_does_not_count() -> None:
    one, other = Unique(by=lambda _: {"a": 1, "b": 2}), Unique(by=lambda _: {"b": 2, "a": 1})
    assert digest(one, packed()) == digest(other, packed())


@given(st.text(), st.text())
def test_other_values_are_other_keys(one: str, other: str) -> None:
    rule = Unique(by=lambda arguments: arguments["note"])
    assert (digest(rule, packed(note=one)) == digest(rule, packed(note=other))) == (one == other)


# --- what is refused


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("by", value) for value in ("order", 5, [5], ["order", None])),
        *(
            ("until", value)
            for value in ("begin", "", "SUCCESS", 0, -1, timedelta(0), None, [], float("nan"))
        ),
        *(("on_conflict", value) for value in ("ignore", "", "RETURN", None, 5, [])),
        *(("delay", value) for value in (0, -1, "5", timedelta(microseconds=1), float("inf"))),
    ],
)
def test_an_unusable_option_is_named(option: str, value: Any) -> None:
    with pytest.raises(DefinitionError, match=f"^{option}: "):
        Unique(**{option: value})


@pytest.mark.parametrize("make", [Unique.debounce, Unique.throttle])
@pytest.mark.parametrize("window", [0, -1, "5", None, timedelta(0)])
def test_a_window_that_is_none_is_named(make: Any, window: Any) -> None:
    with pytest.raises(DefinitionError, match=r"^window: "):
        make(window)


def test_one_string_of_names_is_refused_with_the_mend() -> None:
    with pytest.raises(DefinitionError, match=r"write by=\['order'\]"):
        Unique(by="order")


def test_a_name_that_is_no_argument_is_refused_when_the_handler_is_made() -> None:
    async def handle(ctx: JobContext, order: int) -> None: ...

    with pytest.raises(DefinitionError, match=r"^k: unique: by names 'ordre', but .* arguments are: order$"):
        job("k", unique=Unique(by=["ordre"]))(handle)


@pytest.mark.parametrize("value", ["order", ["order"], True, 5, Unique])
def test_what_is_no_rule_is_refused_when_the_handler_is_made(value: Any) -> None:
    with pytest.raises(DefinitionError, match=r"unique: .* write unique=Unique\("):
        job("k", unique=value)


def test_a_name_that_is_no_argument_is_refused_at_an_enqueue_too() -> None:
    with pytest.raises(InvalidArguments) as caught:
        digest(Unique(by=["width"]), packed())
    assert caught.value.faults == {
        "unique": "by names 'width', but the handler's arguments are: order, note, urgent"
    }


def test_a_function_that_fails_is_named_with_its_error() -> None:
    with pytest.raises(InvalidArguments, match=r"unique: its function `by` raised KeyError: 'width'"):
        digest(Unique(by=lambda arguments: arguments["width"]), packed())


@pytest.mark.parametrize("answer", [object(), b"\xff", print])
def test_what_json_cannot_carry_is_refused_with_the_mend(answer: Any) -> None:
    with pytest.raises(InvalidArguments, match="JSON cannot carry; return a string"):
        digest(Unique(by=lambda _: answer), packed())


# --- the value


def test_a_rule_is_a_value() -> None:
    assert Unique(by=["a"], until=60) == Unique(by=("a",), until=timedelta(minutes=1))
    assert len({Unique(by=["a"]), Unique(by=("a",)), Unique()}) == 2
    with pytest.raises(FrozenInstanceError):
        Unique().by = ["a"]  # type: ignore[misc]


def test_a_time_span_is_a_window() -> None:
    assert (Unique(until=5).held_until, Unique(until=5).window) == ("window", timedelta(seconds=5))
    assert (Unique(until="start").held_until, Unique(until="start").window) == ("start", None)


def test_debounce_and_throttle_are_rules_like_others() -> None:
    five = timedelta(seconds=5)
    assert Unique.debounce(5, by=["a"]) == Unique(by=["a"], until="start", on_conflict="replace", delay=five)
    assert Unique.throttle(five) == Unique(until=five, on_conflict="return")
