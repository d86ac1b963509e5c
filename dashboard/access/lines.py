"""Grants as people write them, one in a line: `operator queues=mail*,default from=10.0.0.0/8`.

First a role, or permissions by commas; then what it is limited to, if to anything.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from ..errors import InvalidRequest
from .grants import GRANTS, Grant, Grants

_LIMITS = {"queues": "queues", "kinds": "kinds", "from": "networks"}


def read_lines(text: str, pointer: str) -> Grants:
    """The grants that the lines say.

    Raises:
        InvalidRequest: A line cannot be read, or says what cannot be; `pointer` is told as its place.
    """
    lines = [words for line in text.splitlines() if (words := line.split())]
    try:
        return GRANTS.validate_python([_document(words) for words in lines])
    except ValidationError as error:
        fault = error.errors()[0]
        where = f"line {int(fault['loc'][0]) + 1}: " if fault["loc"] else ""
        raise InvalidRequest({pointer: where + fault["msg"].removeprefix("Value error, ")}) from None


def write_lines(grants: Iterable[Grant]) -> str:
    """The lines that say these grants."""
    return "\n".join(map(_line, grants))


def _document(words: list[str]) -> dict[str, object]:
    what, *limits = words
    is_role = ":" not in what
    document: dict[str, object] = {"role": what} if is_role else {"permissions": what.split(",")}
    for limit in limits:
        name, _, values = limit.partition("=")
        # a name that nobody knows is refused as a member that a grant has not
        document[_LIMITS.get(name, name)] = [value for value in values.split(",") if value]
    return document


def _line(grant: Grant) -> str:
    told = grant.model_dump(mode="json", exclude_defaults=True)
    limits = [f"{word}={','.join(told[name])}" for word, name in _LIMITS.items() if name in told]
    return " ".join([grant.role or ",".join(grant.permissions), *limits])
