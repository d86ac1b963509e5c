"""Tags: an app's own words for a job, by which it is found again in the history."""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import repr as short_repr
from typing import Any

from .errors import DefinitionError
from .identity import check_name

#: Each is a row of the history.
MOST_TAGS = 20


def check_tags(tags: Any) -> tuple[str, ...]:
    """The tags without repeats, in the order given.

    Raises:
        DefinitionError: One is no name, or there are too many.
    """
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise DefinitionError(f'tags: {short_repr(tags)} is no list; write tags=["eu", "customer:17"]')
    found = tuple(dict.fromkeys(check_name("tags", tag) for tag in tags))
    if len(found) > MOST_TAGS:
        raise DefinitionError(f"tags: there are {len(found)}, and a job has {MOST_TAGS} at most")
    return found
