"""What a log line must not say: secrets, payloads, and characters that a terminal would obey."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from structlog.typing import EventDict

from .failure import clean

HIDDEN = "[hidden]"

#: Hidden wherever they occur in a name.
_SECRET = re.compile(
    "password|passwd|passphrase|secret|token|authorization|api[_-]?key|private[_-]?key|cookie|credential",
    re.IGNORECASE,
)
#: Hidden as words of a name: `args`, `job_args` and `requestBody`, but not `targets`.
_PAYLOAD = frozenset({"args", "kwargs", "arguments", "payload", "payloads", "result", "results", "body"})
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+")
#: `redis://user:password@host`
_CREDENTIALS = re.compile(r"(://[^\s:/@]*:)[^\s/@]+@")
#: What moves a cursor, ends a line or turns the reading direction.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LINE_BREAKS = re.compile("[\t\n]")

#: A line is read by people; who needs more looks into the dead letter.
_MAX_CHARS = 20_000
_MAX_ITEMS = 100
_MAX_DEPTH = 8

#: Texts of several lines, by their nature.
_BLOCKS = ("exception", "stack")


class Redactor:
    """A processor that leaves plain data in a line, without what must not be said.

    Args:
        show_payloads: Do not hide what looks like arguments or results.
    """

    def __init__(self, *, show_payloads: bool) -> None:
        self._private = frozenset[str]() if show_payloads else _PAYLOAD

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:
        # names that begin with _ are structlog's own business
        return {
            name: value if name.startswith("_") else self._named(name, value, 0)
            for name, value in event.items()
        }

    def _named(self, name: str, value: Any, depth: int) -> Any:
        if _SECRET.search(name) or not self._private.isdisjoint(map(str.lower, _WORD.findall(name))):
            return HIDDEN
        return self._value(value, depth)

    def _value(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, str):
            return _text(value)
        fields = _fields(value)
        if depth == _MAX_DEPTH and (fields is not None or isinstance(value, (list, tuple, set, frozenset))):
            return "…"
        if fields is not None:
            shown = list(fields.items())[:_MAX_ITEMS]
            return {_text(str(name)): self._named(str(name), field, depth + 1) for name, field in shown}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._value(item, depth + 1) for item in list(value)[:_MAX_ITEMS]]
        return _text(_repr(value))


def without_secrets(value: Any) -> Any:
    """Plain data without what the names in it say is secret; all else stays as it is."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if _SECRET.search(str(name)) else without_secrets(one) for name, one in value.items()
        }
    return [without_secrets(one) for one in value] if isinstance(value, list | tuple) else value


def with_secrets_of(original: Any, shown: Any) -> Any:
    """What was shown without secrets, and changed elsewhere: what still is hidden is what it was."""
    if shown == HIDDEN:
        return original
    if isinstance(shown, Mapping) and isinstance(original, Mapping):
        return {name: with_secrets_of(original.get(name, one), one) for name, one in shown.items()}
    if isinstance(shown, list) and isinstance(original, list):
        kept = [with_secrets_of(*pair) for pair in zip(original, shown, strict=False)]
        return kept + shown[len(kept) :]
    return shown


def escape_controls(logger: Any, method: str, event: EventDict) -> EventDict:
    """A processor for lines that go to a terminal: what it would obey is shown instead."""
    for name, value in event.items():
        if isinstance(value, str):
            text = value if name in _BLOCKS else _LINE_BREAKS.sub(_escaped, value)
            event[name] = _CONTROLS.sub(_escaped, text)
    return event


def _text(text: str) -> str:
    return _CREDENTIALS.sub(rf"\1{HIDDEN}@", clean(text, _MAX_CHARS))


def _fields(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as broken:  # a line about an object must not fail for the object's sake
        return f"<unprintable {type(value).__name__}: {type(broken).__name__}>"


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
