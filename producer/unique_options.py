"""The unique rule that `monarq enqueue` is given."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from monarq.jobs.errors import DefinitionError
from monarq.jobs.unique import Unique

UniqueBy = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES", help="At most one job per value of these arguments, separated by commas; * for all."
    ),
]
UniqueUntil = Annotated[
    str | None, typer.Option(metavar="WHEN", help="start, success, end (of that job), or seconds from now.")
]
OnConflict = Annotated[
    str | None, typer.Option(help="If there is one: return, reject, replace or reschedule.")
]


def rule_of(own: Unique | None, by: str | None, until: str | None, on_conflict: str | None) -> Unique | None:
    """The kind's own rule, changed as the options say; None if they say nothing.

    Raises:
        BadParameter: There is no such rule.
    """
    changes: dict[str, Any] = {}
    if by is not None:
        changes["by"] = None if by == "*" else tuple(filter(None, map(str.strip, by.split(","))))
    if until is not None:
        changes["until"] = _until(until)
    if on_conflict is not None:
        changes["on_conflict"] = on_conflict
    if not changes:
        return None
    try:
        return replace(own or Unique(), **changes)
    except DefinitionError as error:
        raise typer.BadParameter(str(error)) from None


def _until(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
