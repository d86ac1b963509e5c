"""What the outbox takes, and its statement in the words of each driver.

Nothing of a driver is imported here: whoever has one of his own need not have ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from .statements import statement

_PLACEHOLDER = re.compile(r"\$(\d+)")


class NewRow(NamedTuple):
    """One job for the outbox.  The fields are the statement's parameters, in their order."""

    job_id: str
    queue: str
    kind: str
    rank: int
    #: An aware point in time at which it may start, or seconds from now, or neither.
    at: datetime | None
    delay: float | None
    head: bytes
    digest: str
    unique_rule: str
    durable: bool


def parameters_of(rows: Sequence[NewRow]) -> dict[str, list[Any]]:
    """The parameters of `outbox_add` by name: one list per column."""
    return dict(zip(NewRow._fields, map(list, zip(*rows, strict=True)), strict=True))


def as_pyformat(name: str, parameters: Sequence[str]) -> str:
    """A statement with `%(name)s` for its placeholders, as psycopg wants it."""
    return _rendered(name, parameters, "%({})s".format)


def as_named(name: str, parameters: Sequence[str]) -> str:
    """A statement with `:name` for its placeholders, as SQLAlchemy's `text` wants it."""
    return _rendered(name, parameters, ":{}".format)


def _rendered(name: str, parameters: Sequence[str], shape: Callable[[str], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: shape(parameters[int(found[1]) - 1]), statement(name))
