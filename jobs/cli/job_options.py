"""The options of `monarq jobs` that say which jobs are meant."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic_core import from_json

from ..errors import DefinitionError
from ..store.job_filter import PayloadField, Sort
from .letter_options import read_time

State = Annotated[str | None, typer.Option("--state", "-s", help="succeeded, dead, cancelled or expired.")]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only of this queue.")]
Kind = Annotated[str | None, typer.Option("--kind", "-k", help="Only of this kind.")]
Priority = Annotated[str | None, typer.Option("--priority", help="critical, high, normal or low.")]
Tag = Annotated[str | None, typer.Option("--tag", help="Only with this tag.")]
Worker = Annotated[str | None, typer.Option("--worker", "-w", help="Only those that it ran last.")]
Fingerprint = Annotated[
    str | None,
    typer.Option("--fingerprint", "-f", metavar="HEX", help="Only failures that look like the same bug."),
]
Since = Annotated[
    Any,
    typer.Option(
        parser=read_time,
        metavar="TIME",
        help="Only those that ended then or later: an ISO time with a zone, or how long ago: 15m, 2h, 7d.",
    ),
]
Until = Annotated[
    Any, typer.Option(parser=read_time, metavar="TIME", help="Only those that ended before then.")
]
Text = Annotated[
    str | None,
    typer.Option(
        "--text",
        "-t",
        help="Only with all these words in the error, in any case; time* for all that begin with it.",
    ),
]
Payload = Annotated[
    list[str] | None,
    typer.Option(
        "--payload",
        "-p",
        metavar="PATH=VALUE",
        help="Only with this argument: width=200, customer.country=de, lines[].sku=A-17 for any entry of a "
        "list; may be given several times.",
    ),
]
SortBy = Annotated[
    Sort, typer.Option("--sort", help="What comes first; by run time, those that never ran are left out.")
]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most this many.")]
After = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="The next page: what the last one ended with.")
]
OnlyCount = Annotated[bool, typer.Option("--count", help="Only say how many there are, up to 10,000.")]


def read_payload_field(text: str) -> PayloadField:
    """`customer.country=de`; a value that is no JSON is taken as text.

    Raises:
        DefinitionError: It has no value, or no path.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise DefinitionError(f"payload: {text!r} has no value; write customer.country=de")
    try:
        return PayloadField(path, from_json(value, allow_inf_nan=False))
    except ValueError:
        return PayloadField(path, value)
