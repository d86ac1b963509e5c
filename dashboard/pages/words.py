"""Numbers and times in words, as templates show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_MISSING = "\N{EN DASH}"
#: What browsers and systems are known by; many say that they are others, too, so that the order counts.
_BROWSERS = (
    ("Edge", "Edg/"),
    ("Opera", "OPR/"),
    ("Firefox", "Firefox/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iOS", "iPhone"),
    ("iPadOS", "iPad"),
    ("macOS", "Mac OS X"),
    ("Windows", "Windows NT"),
    ("ChromeOS", "CrOS"),
    ("Linux", "Linux"),
)
_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


def number(value: float | None) -> str:
    """1,234; a dash for None."""
    if value is None:
        return _MISSING
    if value != int(value):
        return f"{value:,.2f}" if abs(value) < 10 else f"{value:,.1f}"
    return f"{int(value):,}"


def count_of(value: int | None, capped: bool = False) -> str:
    """A count that may have been capped: `10,000+`."""
    return number(value) + ("+" if capped else "")


def plural(count: int, one: str, many: str = "") -> str:
    """`1 job`, `2 jobs`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def bytes_in_words(value: float | None) -> str:
    """12.3 MB."""
    if value is None:
        return _MISSING
    for unit in ("B", "KB", "MB", "GB"):
        if abs(value) < 1_000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1_000
    return _MISSING  # pragma: no cover


def duration(value: float | timedelta | None) -> str:
    """350 ms, 1.24 s, 3 min 20 s, 2 h 5 min, 4 d 3 h."""
    if value is None:
        return _MISSING
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
    if seconds < 0.9995:
        return f"{sign}{seconds * 1000:.3g} ms" if seconds < 0.001 else f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{sign}{seconds:.2f} s"
    if seconds < _MINUTE:
        return f"{sign}{seconds:.1f} s"
    return sign + _in_two(round(seconds))


def share(value: float | None) -> str:
    """3.2 %, of 0.032."""
    if value is None:
        return _MISSING
    return f"{value * 100:.0f} %" if value in (0, 1) or value >= 0.1 else f"{value * 100:.2g} %"


def rough(value: float | timedelta) -> str:
    """How long, in one word or two: `3 s`, `5 min`, `2 h`, `3 d`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "min"):
            return f"{int(seconds // size):,} {unit}"
    return f"{int(seconds)} s"


def ago(moment: datetime, now: datetime) -> str:
    """`3 s ago`; `in 3 s` if it is yet to come."""
    seconds = (now - moment).total_seconds()
    return f"in {rough(-seconds)}" if seconds <= -1 else f"{rough(max(0.0, seconds))} ago"


def iso(moment: datetime) -> str:
    """For machines: `2026-11-26T00:15:03Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_full(moment: datetime) -> str:
    """For people: `2026-11-26 00:15:03 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def browser(agent: str) -> str:
    """`Firefox 140 on Linux`, of what a browser says of itself; of anything else, its own words."""
    name = next((name for name, sign in _BROWSERS if sign in agent), None)
    system = next((system for system, sign in _SYSTEMS if sign in agent), None)
    if name is None or system is None:
        return agent[:60] or "unknown"
    sign = dict(_BROWSERS)[name]
    version = re.search(re.escape(sign if sign != "Safari/" else "Version/") + r"(\d+)", agent)
    return f"{name} {version[1] if version else ''}".strip() + f" on {system}"


def pattern(text: str) -> str:
    """The attribute `pattern` that only this text fits; nothing is escaped that a browser would not know."""
    return re.sub(r"([\^$\\.*+?()\[\]{}|/])", r"\\\1", text)


def _in_two(seconds: int) -> str:
    for size, unit, next_size, next_unit in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // next_size
            return f"{seconds // size:,} {unit}" + (f" {rest} {next_unit}" if rest else "")
    return f"{seconds} s"
