"""Filters of dead letters as forms and addresses of pages have them: what is left empty is not asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from pydantic import ValidationError

from ..errors import InvalidParameter
from ..operations.filters import OperationFilter

_Text = Query(max_length=200)
_NAMES = {
    "queue": "queue",
    "kind": "kind",
    "error": "error",
    "fingerprint": "bug",
    "after": "died after",
    "before": "died before",
    "text": "with",
    "q": "search",
}


def filter_of(**given: Any) -> OperationFilter:
    """The filter that somebody has filled in; times without a zone are UTC.

    Raises:
        InvalidParameter: A field cannot be used.
    """
    told = {name: value for name, value in given.items() if value not in ("", None, [], ())}
    for name in ("after", "before"):
        if name in told:
            told[name] = read_moment(name, told[name])
    try:
        wanted = OperationFilter.model_validate(told)
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidParameter(str(fault["loc"][0]), fault["msg"]) from None
    if wanted.after is not None and wanted.before is not None and wanted.after >= wanted.before:
        raise InvalidParameter("before", "it is not later than `after`")
    return wanted


async def read_filter(
    queue: Annotated[str, _Text] = "",
    kind: Annotated[str, _Text] = "",
    error: Annotated[str, _Text] = "",
    fingerprint: Annotated[str, _Text] = "",
    after: Annotated[str, _Text] = "",
    before: Annotated[str, _Text] = "",
    text: Annotated[str, _Text] = "",
) -> OperationFilter:
    """The filter of a page's address."""
    return filter_of(
        queue=queue, kind=kind, error=error, fingerprint=fingerprint, after=after, before=before, text=text
    )


PageFilter = Annotated[OperationFilter, Depends(read_filter)]


def fields_of(wanted: OperationFilter) -> dict[str, str]:
    """The same as hidden fields of a form, or as parameters of an address; without ids."""
    return {name: str(value) for name, value in wanted.written().items() if name != "ids"}


def words_of(written: Mapping[str, Any]) -> str:
    """The same for people: `queue mail, kind email.send`."""
    parts = [f"{word} {written[name]}" for name, word in _NAMES.items() if name in written]
    if "ids" in written:
        parts.append(f"{len(written['ids']):,} chosen one by one")
    return ", ".join(parts) or "all"


def read_moment(name: str, text: Any) -> datetime:
    """A time that somebody has filled in; without a zone, UTC.

    Raises:
        InvalidParameter: It is none.
    """
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        raise InvalidParameter(name, "it is no time; write 2030-01-31T09:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
