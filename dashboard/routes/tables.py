"""Tables as CSV, in which no text is what a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from pydantic_core import to_json

#: How a cell begins that a spreadsheet would take for a formula; some know the wide signs, too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def written(rows: Iterable[Iterable[object]]) -> str:
    """The rows, line by line."""
    text = io.StringIO()
    csv.writer(text).writerows(map(cell, row) for row in rows)
    return text.getvalue()


def cell(value: object) -> object:
    """A value as a cell; text that begins as a formula does has a `'` before it."""
    if value is None or isinstance(value, int):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, dict):
        return to_json(value).decode()
    text = value if isinstance(value, str) else " ".join(map(str, value))  # type: ignore[call-overload]
    return f"'{text}" if text.startswith(_FORMULA) else text
