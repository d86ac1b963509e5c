"""JSON for people: a tree that opens and closes, or its beginning where it is too large for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

_MOST_NODES = 1_000
_LONGEST_TEXT = 20_000


@dataclass(frozen=True, slots=True)
class ShownJson:
    """A value as a page shows it."""

    #: For the tree; not there if it is too large.
    value: Any
    is_tree: bool
    #: Its JSON, all of it or the beginning.
    text: str
    #: Characters that were cut off.
    cut: int = 0


def shown_json(value: Any) -> ShownJson:
    """A tree as long as it can be looked at; integers stay exact, whatever their size."""
    text = as_json(value)
    if _nodes(value, _MOST_NODES) > 0 and len(text) <= _LONGEST_TEXT:
        return ShownJson(value, True, text)
    return ShownJson(None, False, text[:_LONGEST_TEXT], max(0, len(text) - _LONGEST_TEXT))


def as_json(value: Any) -> str:
    """On one line."""
    return to_json(value, inf_nan_mode="constants").decode()


def _nodes(value: Any, left: int) -> int:
    """How many more there may be after these."""
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            left = _nodes(one, left)
            if left <= 0:
                break
    return left - 1
