"""Points in time as a sentence says them."""

from __future__ import annotations

from datetime import UTC, datetime

from .clock import moment_of

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def at(moment: datetime) -> str:
    """`2030-01-31 09:00:00 UTC`."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def at_ms(ms: int, now_ms: int) -> str:
    """The same of ms since the epoch, with how far off it is: `2030-01-31 09:00:00 UTC (in 5 min)`."""
    off = span(abs(ms - now_ms) / 1000)
    return f"{at(moment_of(ms))} ({f'in {off}' if ms >= now_ms else f'{off} ago'})"


def span(seconds: float) -> str:
    """A span in its largest unit, rounded down: `5 min`."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.1f} s"
