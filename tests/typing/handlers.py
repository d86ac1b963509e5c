"""A handler keeps the types of its function: a wrong argument is a type error, the result type survives.

Mypy and pyright read these files; nothing in them runs.  An ignore that is not needed is an error of both, so
that each marks a mistake that they must find.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from collections.abc import Awaitable
from datetime import timedelta
from typing import assert_type

from monarq import Call, Handler, JobContext, Unique, job
from monarq.jobs.retry import Exponential, exponential, fixed, linear

from .kinds import ping, plain, resize, shrink


def a_call_carries_the_result_type() -> None:
    assert_type(resize.of("a.png"), Call[tuple[str, int]])
    assert_type(resize.of("a.png", 5, crop=True), Call[tuple[str, int]])
    assert_type(resize.of(path="a.png", width=5), Call[tuple[str, int]])
    assert_type(ping.of(), Call[None])
    assert_type(plain.of("ann"), Call[list[str]])


def a_wrong_argument_is_a_type_error() -> None:
    resize.of(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    resize.of("a.png", "wide")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    resize.of("a.png", width=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    resize.of()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    resize.of("a.png", height=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    resize.of("a.png", 5, True)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    resize.of("a.png", path="b.png")  # type: ignore[misc]  # pyright: ignore[reportCallIssue]
    ping.of(5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def a_plain_call_has_the_types_of_the_function(ctx: JobContext) -> None:
    assert_type(resize(ctx, "a.png"), Awaitable[tuple[str, int]])
    assert_type(await resize(ctx, "a.png", crop=True), tuple[str, int])
    assert_type(await ping(ctx), None)
    await resize(ctx)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await resize(ctx, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_call_can_be_given_where_a_wider_result_is_asked_for(wanted: Call[object]) -> Call[object]:
    return resize.of("a.png")


def the_result_type_cannot_be_mistaken() -> Call[int]:
    return resize.of("a.png")  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def a_handler_can_be_passed_on(handler: Handler[[str], list[str]]) -> Call[list[str]]:
    return handler.of("ann")


def passed_on() -> None:
    a_handler_can_be_passed_on(plain)
    a_handler_can_be_passed_on(ping)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_plain_function_keeps_its_types_too(ctx: JobContext) -> None:
    assert_type(shrink.of("a.png", 5, crop=True), Call[tuple[str, int]])
    assert_type(shrink(ctx, "a.png", crop=True), tuple[str, int])
    shrink.of(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    shrink.of("a.png", height=5)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    shrink(ctx)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    shrink(ctx, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@job()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
def no_context() -> int:
    return 5


job("a", priority=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", timeout="5m")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", run_in="fork")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", run_in="process", memory_limit="1G")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", backoff=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", retry_on=ValueError, discard_on=(KeyError, OSError), timeout=timedelta(minutes=1), keep_result=None)
job("a", backoff=fixed(5))
job("a", backoff=linear(5, limit=timedelta(hours=1)))
job("a", backoff=lambda attempt: attempt * 2.5)
job("a", unique=Unique(by=["path"], until="success", on_conflict="replace"))
job("a", unique=Unique(by=lambda arguments: arguments["path"], until=timedelta(hours=1)))
job("a", unique=Unique.debounce(5, by=["path"]))
job("a", durable=True)
job("a", durable="yes")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
job("a", unique="path")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Unique(until="begin")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Unique(on_conflict="ignore")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Unique(by=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Unique(["path"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
assert_type(Unique.throttle(timedelta(minutes=1)), Unique)
assert_type(exponential(factor=3), Exponential)
