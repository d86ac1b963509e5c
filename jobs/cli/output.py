"""What commands print: a table for people, tab-separated lines for pipes, JSON where it is asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from pydantic_core import to_json

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def on_terminal() -> bool:
    """Whether somebody reads along and could answer a question."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def print_json(document: Any) -> None:
    """Print plain data as JSON."""
    typer.echo(to_json(document, indent=2, fallback=str).decode())


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, nothing: str) -> None:
    """Print rows by their columns; `nothing` says on stderr that there are none."""
    if not rows:
        typer.echo(nothing, err=True)
        return
    if sys.stdout.isatty():
        _print_rich(columns, rows)
        return
    typer.echo("\t".join(columns))
    for row in rows:
        typer.echo("\t".join(" ".join(_text(row[column]).split()) for column in columns))


def fail(message: str) -> None:
    """Say on stderr what went wrong."""
    typer.echo(f"monarq: {message}", err=True)


def _print_rich(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = all(isinstance(row[column], int) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        # as Text: a job's own words must not be taken for markup
        table.add_row(*(Text(_text(row[column])) for column in columns))
    Console().print(table)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and sys.stdout.isatty() else str(value)
