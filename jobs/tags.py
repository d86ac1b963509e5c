"""Tags: an app's own words for a job, by which it is found again in the history."""

from __future__ import annotations

from collections.abc import Iterable
from reprlib import repr as short_repr
from typing import Any

from .errors import DefinitionError
from .identity import check_name

#: Each is a row of the history.
MOST_TAGS = 20
#: How the tag begins by which the HTTP API knows who has made a job.
OWNER_TAG = "owner:"


def owner_tag_of(tags: Iterable[str]) -> str | None:
    """The one that tells who has made the job, if somebody has by the HTTP API."""
    return next((tag for tag in tags if tag.startswith(OWNER_TAG)), None)


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
