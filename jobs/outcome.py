"""How an attempt can end: a closed type."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from .failure import Failure


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The handler returned; `result` is the record in arq's shape, None if none is kept."""

    result: bytes | None


@dataclass(frozen=True, slots=True)
class Retrying:
    """Another attempt after `delay`."""

    delay: timedelta
    failure: Failure


@dataclass(frozen=True, slots=True)
class Dead:
    """To the dead letters."""

    result: bytes | None
    failure: Failure


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Ended on request; `failure` is that of the attempt that was stopped, None if there was none."""

    result: bytes | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Expired:
    """Its deadline has passed; `failure` is that of the attempt that was stopped, None if there was none."""

    result: bytes | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Released:
    """Back to the queue without spending an attempt; `failure` is None if there is nothing to tell."""

    delay: timedelta
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Snoozed:
    """Back to the queue because its handler said so; nothing went wrong."""

    delay: timedelta


Outcome = Succeeded | Retrying | Dead | Cancelled | Expired | Released | Snoozed
