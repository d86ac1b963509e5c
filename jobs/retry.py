"""Backoff: how long to wait before the next attempt.

A policy is a pure value; the random source is passed in, so that a test can pin it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Protocol, runtime_checkable

from .errors import DefinitionError


@runtime_checkable
class Backoff(Protocol):
    """Says how long to wait after a failed attempt."""

    def delay(self, attempt: int, random: Random) -> timedelta:
        """The wait after `attempt` (1 for the first failure) before the job is ready again."""
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same wait each time."""

    wait: timedelta

    def delay(self, attempt: int, random: Random) -> timedelta:
        return self.wait


@dataclass(frozen=True, slots=True)
class Linear:
    """`step`, twice `step`, three times `step`, … up to `limit`."""

    step: timedelta
    limit: timedelta

    def delay(self, attempt: int, random: Random) -> timedelta:
        return min(self.step * attempt, self.limit)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Any wait between zero and `first` * `factor` ** (attempt - 1), at most `limit`: full jitter.

    The jitter is what keeps ten thousand jobs that failed together from coming back together.
    """

    first: timedelta
    factor: float
    limit: timedelta
    jitter: bool

    def delay(self, attempt: int, random: Random) -> timedelta:
        ceiling = self._ceiling(attempt)
        return timedelta(seconds=random.uniform(0, ceiling) if self.jitter else ceiling)

    def _ceiling(self, attempt: int) -> float:
        limit = self.limit.total_seconds()
        try:
            return min(limit, self.first.total_seconds() * self.factor ** (attempt - 1))
        except OverflowError:
            return limit


@dataclass(frozen=True, slots=True)
class Steps:
    """One wait per attempt; the last one repeats."""

    waits: tuple[timedelta, ...]

    def delay(self, attempt: int, random: Random) -> timedelta:
        return self.waits[min(attempt, len(self.waits)) - 1]


@dataclass(frozen=True, slots=True)
class Custom:
    """Whatever `function(attempt)` says, seconds or timedelta; a negative wait is none."""

    function: Callable[[int], timedelta | float]

    def delay(self, attempt: int, random: Random) -> timedelta:
        wait = self.function(attempt)
        return max(wait if isinstance(wait, timedelta) else timedelta(seconds=wait), timedelta(0))


def as_span(value: Any, name: str) -> timedelta:
    """A timedelta, or a number of seconds.

    Raises:
        DefinitionError: It is neither; the error names the option.
    """
    try:
        return value if isinstance(value, timedelta) else timedelta(seconds=value)
    except (TypeError, ValueError, OverflowError):
        raise DefinitionError(f"{name}: {value!r} is neither a timedelta nor a number of seconds") from None


def fixed(wait: timedelta | float) -> Fixed:
    """The same wait each time (seconds or timedelta)."""
    return Fixed(_as_wait(wait, "wait"))


def linear(step: timedelta | float, limit: timedelta | float = timedelta(hours=1)) -> Linear:
    """`step` times the attempt, at most `limit` (seconds or timedelta)."""
    return Linear(_as_wait(step, "step"), _as_wait(limit, "limit"))


def exponential(
    first: timedelta | float = timedelta(seconds=5),
    factor: float = 2.0,
    limit: timedelta | float = timedelta(hours=1),
    *,
    jitter: bool = True,
) -> Exponential:
    """Doubling waits with full jitter: the default of every typed job.

    Args:
        first: Upper bound of the first wait (seconds or timedelta).
        factor: Growth of the bound from attempt to attempt, at least 1.
        limit: The bound never passes this.
        jitter: False waits for the bound itself.
    """
    if not _grows(factor):
        raise DefinitionError(f"factor: {factor!r} is not a number of 1 or more; the waits would shrink")
    return Exponential(_as_wait(first, "first"), factor, _as_wait(limit, "limit"), jitter)


def as_backoff(policy: Backoff | Sequence[timedelta | float] | Callable[[int], timedelta | float]) -> Backoff:
    """Read what `@job(backoff=…)` was given: a policy, a list of waits, or a function of the attempt."""
    if isinstance(policy, Backoff):
        return policy
    if callable(policy):
        return Custom(policy)
    waits = tuple(_as_wait(wait, "backoff") for wait in _listed(policy))
    if not waits:
        raise DefinitionError("backoff: the list is empty; give at least one wait, or fixed(0)")
    return Steps(waits)


def _grows(factor: Any) -> bool:
    return isinstance(factor, (int, float)) and 1 <= factor < math.inf


def _listed(policy: Any) -> Iterable[Any]:
    if isinstance(policy, str) or not isinstance(policy, Iterable):
        raise DefinitionError(f"backoff: {policy!r} is no policy, no list of waits and no function")
    return policy


def _as_wait(value: Any, name: str) -> timedelta:
    wait = as_span(value, name)
    if wait < timedelta(0):
        raise DefinitionError(f"{name}: {wait} is negative")
    return wait
