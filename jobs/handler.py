"""`@job`: from a function to a typed kind of job."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, TypeVar, cast, overload

from .errors import DefinitionError
from .identity import check_name
from .payload import Arguments, Result
from .priority import Priority
from .retry import Backoff, as_backoff, as_span, exponential
from .tags import check_tags
from .unique import Unique, no_such_argument

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
C = TypeVar("C", bound=StrEnum)

#: Which exceptions: types, or a predicate.
Matcher = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]


class RunIn(StrEnum):
    """Where a worker runs the jobs of a kind."""

    LOOP = "loop"  #: on its event loop, side by side; for `async def` only
    THREAD = "thread"  #: in a thread of its own pool; for `def` only
    PROCESS = "process"  #: in a child process, alone while it runs


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
    #: None: the loop for an `async def`, a thread for a `def`.
    run_in: RunIn | None = None
    #: Bytes that a job may take on top of what its process has when it begins; None for no limit.
    memory_limit: int | None = None
    #: At most one job per key; None for no such rule.
    unique: Unique | None = None
    #: PostgreSQL keeps its jobs until they have ended, so that they outlive Redis.
    durable: bool = False
    #: By which its jobs are found in the history, beside those that an enqueue adds.
    tags: tuple[str, ...] = ()

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
                self.memory_limit is None or _is_count(self.memory_limit),
                f"memory_limit: {self.memory_limit!r} is no number of bytes",
            ),
            (
                self.memory_limit is None or self.run_in is RunIn.PROCESS,
                'memory_limit: only a process can have one: run_in="process"',
            ),
            (
                self.unique is None or isinstance(self.unique, Unique),
                f"unique: {self.unique!r} is no rule; write unique=Unique(by=[…])",
            ),
            (isinstance(self.durable, bool), f"durable: {self.durable!r} is neither True nor False"),
        )
        if faults := [fault for holds, fault in rules if not holds]:
            raise DefinitionError("; ".join(faults))

    def retries(self, error: BaseException) -> bool:
        """Whether `error` is worth another attempt, if there is one left."""
        return matches(self.retry_on, error) and not matches(self.discard_on, error)


def matches(matcher: Matcher, error: BaseException) -> bool:
    """Whether `error` is one of those that `matcher` means.

    What is no `Exception` (`SystemExit`, a `CancelledError` of the handler's own) counts as one: a handler
    that raises it has failed, and nobody lists such types.
    """
    if isinstance(matcher, (type, tuple)):
        is_odd = not isinstance(error, Exception)
        return isinstance(error, matcher) or (is_odd and issubclass(Exception, matcher))
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

    def __init__(self, kind: str, function: Callable[Concatenate[Any, P], Any], policy: Policy) -> None:
        #: Where its jobs run.
        self.run_in = _run_in(kind, function, policy)
        self.kind = check_name("kind", kind)
        self.function = function
        self.policy = policy
        self.arguments = Arguments(kind, function)
        if policy.unique is not None and (unknown := policy.unique.unknown_names(self.arguments)):
            raise DefinitionError(f"{kind}: unique: {no_such_argument(unknown, self.arguments)}")
        self.result = Result(kind, function)
        functools.update_wrapper(cast(Callable[..., Any], self), function, updated=())

    def of(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """A call with these arguments, without the context.

        Raises:
            InvalidArguments: They do not fit the signature, or would not come back from JSON as they are.
        """
        return Call(self, self.arguments.encode(args, kwargs))

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """The plain function: nothing is checked, nothing is enqueued."""
        return self.function(ctx, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<Handler {self.kind}>"


class AsyncHandler(Handler[P, R]):
    """A kind whose function is an `async def`."""

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        return cast(Awaitable[R], super().__call__(ctx, *args, **kwargs))


class SyncHandler(Handler[P, R]):
    """A kind whose function is a plain `def`: called, it runs here and now."""

    def __call__(self, ctx: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return cast(R, super().__call__(ctx, *args, **kwargs))


class Decorator(Protocol):
    """What `job(…)` gives."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
        self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], /
    ) -> AsyncHandler[P, R]: ...  # pragma: no cover
    @overload
    def __call__(
        self, function: Callable[Concatenate[Any, P], R], /
    ) -> SyncHandler[P, R]: ...  # pragma: no cover


def _run_in(kind: str, function: Any, policy: Policy) -> RunIn:
    if inspect.iscoroutinefunction(function):
        if policy.run_in is RunIn.THREAD:
            raise DefinitionError(
                f"{kind}: run_in: an `async def` runs on the loop or in a process, or make it a `def`"
            )
        return policy.run_in or RunIn.LOOP
    if not _is_plain_function(function):
        raise DefinitionError(f"{kind}: {function!r} is neither an `async def` function nor a plain `def`")
    if policy.run_in is RunIn.LOOP:
        raise DefinitionError(
            f"{kind}: run_in: a plain `def` would block the loop; let it run in a thread or a process"
        )
    return policy.run_in or RunIn.THREAD


def _is_plain_function(function: Any) -> bool:
    # a decorator that hides an `async def` would give us a coroutine that nobody awaits
    return (
        inspect.isfunction(function)
        and not inspect.isgeneratorfunction(function)
        and not inspect.isasyncgenfunction(function)
        and not inspect.iscoroutinefunction(inspect.unwrap(function))
    )


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
    run_in: Literal["loop", "thread", "process"] | None = None,
    memory_limit: int | None = None,
    unique: Unique | None = None,
    durable: bool = False,
    tags: Iterable[str] = (),
) -> Decorator:
    """Make a kind of job of an `async def handler(ctx, …)`, or of a plain `def`.

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
        run_in: loop, thread or process; by default the loop for an `async def` and a thread for a `def`.
        memory_limit: Bytes that a job in a process may take; past them it gets a `MemoryError`.
        unique: At most one job per key: `Unique(by=["month"])`, `Unique.debounce(5)`, `Unique.throttle(60)`.
        durable: PostgreSQL keeps its jobs until they have ended: they outlive a Redis that loses its data.
        tags: Words of your own by which its jobs are found in the history: `["eu", "billing"]`.

    Raises:
        DefinitionError: At import, naming the option.
    """
    if callable(kind):
        raise DefinitionError("write @job() with brackets")
    policy = Policy(
        queue=queue,
        priority=_choice("priority", Priority, priority),
        max_attempts=max_attempts,
        timeout=None if timeout is None else as_span(timeout, "timeout"),
        backoff=exponential() if backoff is None else as_backoff(backoff),
        retry_on=retry_on,
        discard_on=discard_on,
        keep_result=None if keep_result is None else as_span(keep_result, "keep_result"),
        run_in=None if run_in is None else _choice("run_in", RunIn, run_in),
        memory_limit=memory_limit,
        unique=unique,
        durable=durable,
        tags=check_tags(tags),
    )

    def define(function: Callable[..., Any]) -> Handler[..., Any]:
        handler = AsyncHandler if inspect.iscoroutinefunction(function) else SyncHandler
        return handler(kind or str(getattr(function, "__qualname__", function)), function, policy)

    return cast(Decorator, define)


def _choice(option: str, choices: type[C], name: str) -> C:
    try:
        return choices(name)
    except ValueError:
        raise DefinitionError(f"{option}: {name!r} is not one of {', '.join(choices)}") from None
