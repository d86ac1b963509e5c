"""Text of strangers, cut and cleaned for results, errors and logs."""

from __future__ import annotations


def excerpt(text: str | bytes, limit: int = 200) -> str:
    """At most `limit` characters of `text`; what cannot be printed (line ends, ANSI) becomes a space."""
    decoded = text if isinstance(text, str) else text.decode("utf-8", "replace")
    printable = "".join(char if char.isprintable() else " " for char in decoded[: limit + 1])
    return printable if len(printable) <= limit else printable[: limit - 1] + "…"
