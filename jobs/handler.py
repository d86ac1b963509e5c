"""`@job`: from an async function to a typed kind of job."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from .errors import DefinitionError
from .identity import check_name
from .payload import Arguments, Result
from .priority import Priority
from .retry import Backoff, as_backoff, as_span, exponential
from .unique import Unique, no_such_argument

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

#: Which exceptions: types, or a predicate.
Matcher = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How jobs of one kind are run; every field can be set in `@job(…)`."""

    queue: str = "default"
    priority: Priority = Priority.NORMAL
    #: Failures (errors and timeouts) until the job is a dead letter.  Interruptions do not count.
    max_attempts: int = 5
    #: Time for one attempt; None for no limit.
    timeout: timedelta | None = timedelta(minutes=5)
    backoff: Backoff = field(default_factory=exponential)
    #: Exceptions that are worth another attempt.
    retry_on: Matcher = Exception
    #: Exceptions that are not, whatever `retry_on` says.
    discard_on: Matcher = ()
    #: How long the result can be read; zero keeps none, None keeps it for ever.
    keep_result: timedelta | None = timedelta(hours=1)
    #: At most one job per key; None for no such rule.
    unique: Unique | None = None

    def __post_init__(self) -> None:
        check_name("queue", self.queue)
        rules = (
            (
                _is_count(self.max_attempts),
                f"max_attempts: {self.max_attempts!r} is no number of 1 or more",
            ),
            (self.timeout is None or self.timeout > timedelta(0), f"timeout: {self.timeout} is not positive"),
            (
                self.keep_result is None or self.keep_result >= timedelta(0),
                f"keep_result: {self.keep_result} is negative",
            ),
            (_is_matcher(self.retry_on), f"retry_on: {self.retry_on!r} {_NO_MATCHER}"),
            (_is_matcher(self.discard_on), f"discard_on: {self.discard_on!r} {_NO_MATCHER}"),
            (
                self.unique is None or isinstance(self.unique, Unique),
                f"unique: {self.unique!r} is no rule; write unique=Unique(by=[…])",
            ),
        )
        if faults := [fault for holds, fault in rules if not holds]:
            raise DefinitionError("; ".join(faults))

    def retries(self, error: BaseException) -> bool:
        """Whether `error` is worth another attempt, if there is one left."""
        return matches(self.retry_on, error) and not matches(self.discard_on, error)


def matches(matcher: Matcher, error: BaseException) -> bool:
    """Whether `error` is one of those that `matcher` means."""
    if isinstance(matcher, (type, tuple)):
        return isinstance(error, matcher)
    return matcher(error)


_NO_MATCHER = "is no exception type, no tuple of them and no function"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 1 and value is not True


def _is_matcher(value: Any) -> bool:
    if isinstance(value, type):
        return issubclass(value, BaseException)
    return all(map(_is_matcher, value)) if isinstance(value, tuple) else callable(value)


class Call(Generic[R_co]):
    """A job that could be enqueued: a handler and its checked, encoded arguments.

    Made by `handler.of(…)`.  Holds no connection; may be enqueued more than once, as a new job each time.
    """

    __slots__ = ("arguments", "handler")

    def __init__(self, handler: Handler[..., R_co], arguments: bytes) -> None:
        self.handler = handler
        #: The arguments by name, as a JSON object.
        self.arguments = arguments

    def __repr__(self) -> str:
        # the arguments may be private
        return f"<Call {self.handler.kind}>"


class Handler(Generic[P, R]):
    """One kind of job: its name, its function and its policy.

    Call it like the function that it wraps; `of` makes a job of it.
    """

    def __init__(
        self, kind: str, function: Callable[Concatenate[Any, P], Awaitable[R]], policy: Policy
    ) -> None:
        if not inspect.iscoroutinefunction(function):
            raise DefinitionError(f"{kind}: {function!r} is not an `async def` function")
        self.kind = check_name("kind", kind)
        self.function = function
        self.policy = policy
        self.arguments = Arguments(kind, function)
        if policy.unique is not None and (unknown := policy.unique.unknown_names(self.arguments)):
            raise DefinitionError(f"{kind}: unique: {no_such_argument(unknown, self.arguments)}")
        self.result = Result(kind, function)
        functools.update_wrapper(self, function, updated=())

    def of(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """A call with these arguments, without the context.

        Raises:
            InvalidArguments: They do not fit the signature, or would not come back from JSON as they are.
        """
        return Call(self, self.arguments.encode(args, kwargs))

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """The plain function: nothing is checked, nothing is enqueued."""
        return self.function(ctx, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<Handler {self.kind}>"


def job(
    kind: str | None = None,
    *,
    queue: str = "default",
    priority: Priority | str = Priority.NORMAL,
    max_attempts: int = 5,
    timeout: timedelta | float | None = timedelta(minutes=5),
    backoff: Backoff | Sequence[timedelta | float] | Callable[[int], timedelta | float] | None = None,
    retry_on: Matcher = Exception,
    discard_on: Matcher = (),
    keep_result: timedelta | float | None = timedelta(hours=1),
    unique: Unique | None = None,
) -> Callable[[Callable[Concatenate[Any, P], Awaitable[R]]], Handler[P, R]]:
    """Make a kind of job of an `async def handler(ctx, …)`.

    Args:
        kind: The name under which workers know it; the function's qualified name by default.
            Jobs in the queue carry it, so renaming a function without it strands them.
        queue: Where its jobs wait unless the enqueue says otherwise.
        priority: critical, high, normal or low.
        max_attempts: Failures until the job is a dead letter; 1 never retries.
        timeout: Time for one attempt (timedelta or seconds); None for no limit.
        backoff: A policy of `monarq.jobs.retry`, a list of waits, or a function of the attempt.
            Default: exponential with full jitter, from 5 s to 1 h.
        retry_on: Exception types, or a predicate; all `Exception`s by default.
        discard_on: Exceptions that go straight to the dead letters, whatever `retry_on` says.
        keep_result: How long the result can be read (timedelta or seconds); 0 keeps none, None keeps it.
        unique: At most one job per key: `Unique(by=["month"])`, `Unique.debounce(5)`, `Unique.throttle(60)`.

    Raises:
        DefinitionError: At import, naming the option.
    """
    if callable(kind):
        raise DefinitionError("write @job() with brackets")
    policy = Policy(
        queue=queue,
        priority=_priority(priority),
        max_attempts=max_attempts,
        timeout=None if timeout is None else as_span(timeout, "timeout"),
        backoff=exponential() if backoff is None else as_backoff(backoff),
        retry_on=retry_on,
        discard_on=discard_on,
        keep_result=None if keep_result is None else as_span(keep_result, "keep_result"),
        unique=unique,
    )
    return lambda function: Handler(kind or function.__qualname__, function, policy)


def _priority(name: str) -> Priority:
    try:
        return Priority(name)
    except ValueError:
        raise DefinitionError(f"priority: {name!r} is not one of {', '.join(Priority)}") from None
