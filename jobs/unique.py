"""`Unique`: at most one job per key at a time, debounced and throttled jobs among them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from reprlib import repr as short_repr
from typing import Any, Literal, Self, get_args

from pydantic_core import PydanticSerializationError, from_json, to_json

from .errors import DefinitionError, InvalidArguments
from .payload import Arguments
from .retry import as_span

#: Until when a job holds its key: until it starts, until it has succeeded, or until it has ended in any way.
Event = Literal["start", "success", "end"]
#: What becomes of an enqueue whose key is held.
OnConflict = Literal["return", "reject", "replace", "reschedule"]
#: Which arguments make the key; None for all of them.
By = Sequence[str] | Callable[[dict[str, Any]], Any] | None

_EVENTS = get_args(Event)
_CONFLICTS = get_args(OnConflict)
_ONE_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unique:
    """At most one job of a kind, in one queue, per key.

        @job("report.build", unique=Unique(by=["month"]))

    Given to `@job(…)` it is the rule of all jobs of the kind, given to an enqueue that of one job.
    """

    #: Names of arguments, or a function of all of them (a dict, as the handler gets them, defaults among
    #: them) that returns a string or other JSON data.  None takes all arguments, an empty list none.
    by: By = None
    #: With "success", a dead letter goes on holding the key.  A time span (timedelta or seconds) counts from
    #: the enqueue, whatever becomes of the job.
    until: Event | timedelta | float = "end"
    #: return: a handle on the job that holds the key.  reject: `NotUnique`.  replace: the job that holds it
    #: gets the new arguments, priority and time, if it still waits.  reschedule: it gets the new time.
    on_conflict: OnConflict = "return"
    #: Time before a job may start (timedelta or seconds), counted from its last enqueue; `debounce` sets it.
    delay: timedelta | float | None = None

    def __post_init__(self) -> None:
        if not callable(self.by) and self.by is not None:
            object.__setattr__(self, "by", _names(self.by))
        if self.until not in _EVENTS:
            object.__setattr__(self, "until", _window(self.until))
        if self.on_conflict not in _CONFLICTS:
            listed = ", ".join(_CONFLICTS)
            raise DefinitionError(f"on_conflict: {short_repr(self.on_conflict)} is not one of {listed}")
        if self.delay is not None:
            object.__setattr__(self, "delay", _positive(self.delay, "delay"))

    @classmethod
    def debounce(cls, window: timedelta | float, by: By = None) -> Self:
        """The last call wins: it runs once nobody has called for `window` (timedelta or seconds)."""
        span = _positive(window, "window")
        return cls(by=by, until="start", on_conflict="replace", delay=span)

    @classmethod
    def throttle(cls, window: timedelta | float, by: By = None) -> Self:
        """The first call wins: there is no second job within `window` (timedelta or seconds)."""
        return cls(by=by, until=_positive(window, "window"), on_conflict="return")

    @property
    def window(self) -> timedelta | None:
        """How long the key is held, if that is a time span."""
        return self.until if isinstance(self.until, timedelta) else None

    @property
    def held_until(self) -> str:
        """`start`, `success`, `end` or `window`, as the envelope has it."""
        return "window" if isinstance(self.until, timedelta) else str(self.until)

    def unknown_names(self, arguments: Arguments) -> list[str]:
        """The names of `by` that are no arguments."""
        named = self.by if isinstance(self.by, tuple) else ()
        return [name for name in named if name not in arguments.names]

    def digest(self, kind: str, arguments: Arguments, encoded: bytes) -> str:
        """32 hex digits that stand for the kind and what `by` takes of these arguments.

        Raises:
            InvalidArguments: `by` names no argument, or has failed, or JSON cannot carry what it returned.
        """
        if unknown := self.unknown_names(arguments):
            raise InvalidArguments(kind, {"unique": no_such_argument(unknown, arguments)})
        chosen = json.dumps(self._chosen(kind, arguments, encoded), sort_keys=True, separators=(",", ":"))
        return blake2b(f"{kind}\0{chosen}".encode(), digest_size=16).hexdigest()

    def _chosen(self, kind: str, arguments: Arguments, encoded: bytes) -> Any:
        if callable(self.by):
            return _asked(self.by, kind, arguments.typed(encoded))
        plain = arguments.plain(encoded)
        return plain if self.by is None else {name: plain.get(name) for name in self.by}


def no_such_argument(unknown: Sequence[str], arguments: Arguments) -> str:
    """What is wrong with a rule that names them."""
    known = ", ".join(arguments.names) or "none"
    return f"by names {', '.join(map(short_repr, unknown))}, but the handler's arguments are: {known}"


def _asked(by: Callable[[dict[str, Any]], Any], kind: str, arguments: dict[str, Any]) -> Any:
    try:
        answer = by(arguments)
    except Exception as error:  # whatever an app's function raises, nothing is written
        told = f"{type(error).__name__}: {error}"
        raise InvalidArguments(kind, {"unique": f"its function `by` raised {told}"}) from error
    try:
        return from_json(to_json(answer))
    except (PydanticSerializationError, ValueError, RecursionError):
        fault = f"its function `by` returned {short_repr(answer)}, which JSON cannot carry; return a string"
        raise InvalidArguments(kind, {"unique": fault}) from None


def _names(by: Any) -> tuple[str, ...]:
    if isinstance(by, str):
        raise DefinitionError(f"by: {by!r} is one string; write by=[{by!r}]")
    names = tuple(by) if isinstance(by, Iterable) else (by,)
    if odd := [name for name in names if not isinstance(name, str)]:
        raise DefinitionError(
            f"by: {short_repr(odd[0])} is no name; give names of arguments, or a function of them"
        )
    return names


def _window(until: Any) -> timedelta:
    if isinstance(until, str):
        listed = ", ".join(_EVENTS)
        raise DefinitionError(f"until: {until!r} is not one of {listed}, and no time span")
    return _positive(until, "until")


def _positive(value: Any, name: str) -> timedelta:
    span = as_span(value, name)
    if span < _ONE_MS:
        raise DefinitionError(f"{name}: {span} is shorter than a millisecond")
    return span
