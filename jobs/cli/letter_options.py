"""The options of `monarq dead` that say which letters are meant, and how fast they go."""

from __future__ import annotations

import inspect
import math
import re
import typing
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Annotated, Any

import typer

from ..errors import DefinitionError
from ..store.letter_filter import LetterFilter

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(?:/([smh]))?")
_RATE_SECONDS = {"s": 1, "m": 60, "h": 3600}


def read_time(text: str) -> datetime:
    """`2030-01-31T09:00:00+00:00`, or how long ago: `90s`, `15m`, `2h`, `7d`, `4w`."""
    if age := _AGE.fullmatch(text):
        try:
            return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: float(age[1])})
        except OverflowError:
            raise typer.BadParameter(f"{text!r} is too long ago") from None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time; write 2030-01-31T09:00:00+00:00, or 2h for two hours ago"
        ) from None
    if time.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; write {time.isoformat()}+00:00")
    return time


def read_rate(text: str) -> float:
    """Letters per second, of `50/s`, `50` (the same), `3000/m` or `10000/h`."""
    rate = _RATE.fullmatch(text)
    per_second = float(rate[1]) / _RATE_SECONDS[rate[2] or "s"] if rate else 0.0
    if not per_second or math.isinf(per_second):
        raise typer.BadParameter(f"{text!r} is no rate; write 50/s, 3000/m or 10000/h")
    return per_second


Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")]
Kind = Annotated[str | None, typer.Option("--kind", "-k", help="Only jobs of this kind.")]
Fingerprint = Annotated[
    str | None,
    typer.Option("--fingerprint", "-f", metavar="HEX", help="Only this group; see `monarq dead groups`."),
]
Since = Annotated[
    Any,
    typer.Option(
        parser=read_time,
        metavar="TIME",
        help="Only those that died then or later: an ISO time with a zone, or how long ago: 15m, 2h, 7d.",
    ),
]
Until = Annotated[
    Any,
    typer.Option(
        "--until", "--before", parser=read_time, metavar="TIME", help="Only those that died before then."
    ),
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text", "-t", help="Only those with this in their id, error, traceback or arguments, in any case."
    ),
]


def _wanted(
    queue: Queue = None,
    kind: Kind = None,
    fingerprint: Fingerprint = None,
    since: Since = None,
    until: Until = None,
    text: Text = None,
) -> LetterFilter:
    try:
        return LetterFilter(
            queue=queue, kind=kind, fingerprint=fingerprint, since=since, until=until, text=text
        )
    except DefinitionError as error:
        raise typer.BadParameter(str(error)) from None


def takes_filter(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a filter; it gets them as one `LetterFilter`, its first argument."""
    filters = inspect.signature(_wanted, eval_str=True).parameters

    @wraps(command)
    def with_options(**given: Any) -> None:
        wanted = _wanted(**{name: given.pop(name) for name in filters})
        command(wanted, **given)

    hints = typing.get_type_hints(command, include_extras=True)
    _, *own = inspect.signature(command).parameters.values()
    own = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]
    arguments = [one for one in own if one.name == "job_ids"]
    options = [one for one in own if one.name != "job_ids"]
    # typer reads it from there, as it would from a decorated function of anybody's
    vars(with_options)["__signature__"] = inspect.Signature([*arguments, *filters.values(), *options])
    return with_options
