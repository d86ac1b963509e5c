"""The Retry-After header: when a server asks to be called again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

#: A zero would turn a busy server's jobs into a busy loop.
SHORTEST = timedelta(seconds=1)
#: A server cannot put a job off for ever.
LONGEST = timedelta(hours=1)


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """The wait that `header` asks for, within SHORTEST and LONGEST; None if it is missing or unreadable.

    Args:
        header: The value, seconds or an HTTP date.
        now: Aware; a date in the header is relative to it.
    """
    wait = None if header is None else _wait(header.strip(), now)
    return None if wait is None else min(max(wait, SHORTEST), LONGEST)


def _wait(header: str, now: datetime) -> timedelta | None:
    if header.isascii() and header.isdigit():
        return LONGEST if len(header) > 6 else timedelta(seconds=int(header))
    try:
        date = parsedate_to_datetime(header)
    except (ValueError, OverflowError):
        return None
    # "-0000" parses as naive; HTTP dates are in UTC.
    return (date if date.tzinfo else date.replace(tzinfo=UTC)) - now
