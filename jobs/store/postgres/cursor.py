"""Where a page of a search ended, as a text that only we read."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from ...errors import DefinitionError
from ..job_filter import JobFilter, Sort

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST_VALUE = 2**63 - 1
#: The year 9999, in µs since the epoch.
_LATEST_MICROSECONDS = 253_402_300_799_999_999


class Position(NamedTuple):
    """A row's place in the order of its search; no two rows share one."""

    #: Run time, ms; None in the order of time.
    value: int | None
    ended_at: datetime
    job_id: str

    def keys(self) -> tuple[Any, ...]:
        """What is compared, in this order."""
        return tuple(self) if self.value is not None else tuple(self)[1:]


def encode(position: Position, wanted: JobFilter, sort: Sort) -> str:
    """The cursor of what comes after `position`."""
    microseconds = (position.ended_at - _EPOCH) // _MICROSECOND
    document = to_json([_mark(wanted, sort), position.value, microseconds, position.job_id])
    return urlsafe_b64encode(document).rstrip(b"=").decode()


def decode(cursor: str, wanted: JobFilter, sort: Sort) -> Position:
    """The position that a cursor stands for.

    Raises:
        DefinitionError: It is none of ours, or of another search.
    """
    try:
        mark, value, microseconds, job_id = from_json(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError):
        raise DefinitionError("cursor: it is none; take the one that came with the last page") from None
    if mark != _mark(wanted, sort):
        raise DefinitionError("cursor: it belongs to another search; filters and order must stay the same")
    fits = value is None if sort.is_by_time else _is_number(value, _LARGEST_VALUE)
    if not (fits and _is_number(microseconds, _LATEST_MICROSECONDS) and _is_text(job_id)):
        raise DefinitionError("cursor: it is none; take the one that came with the last page")
    return Position(value, _EPOCH + microseconds * _MICROSECOND, job_id)


def _is_number(value: Any, largest: int) -> bool:
    return type(value) is int and 0 <= value <= largest


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _mark(wanted: JobFilter, sort: Sort) -> str:
    # without the times: "two hours ago" is another one each time that it is asked
    timeless = replace(wanted, since=None, until=None)
    return blake2b(f"{sort}: {timeless}".encode(), digest_size=6).hexdigest()
