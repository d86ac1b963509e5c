"""Patterns of queues and kinds: a name, in which `*` stands for any characters, or none."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator

EVERYTHING = "*"
_PATTERN = re.compile(r"[A-Za-z0-9_.:@/+*-]{1,128}")


def _check(text: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise ValueError("a pattern is a name in which * stands for any characters: mail.*")
    return text


Pattern = Annotated[str, AfterValidator(_check)]


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern stands for this name.  Linear in both: no pattern can be made to take long.

    `name` may itself be a pattern: what is true of it then is true of every name that it stands for, since
    only a `*` swallows a `*`.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    *middle, last = rest
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    position, end = len(first), len(name) - len(last)
    for part in middle:
        position = name.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True
