"""Who made a job, as far as they made it by this dashboard: a tag of it, that no caller may give by hand.

A tag, so that it goes wherever the job goes, into the history too, and is found there by an index.  It holds
a digest of the subject, since some subjects are no names.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from monarq.jobs.tags import OWNER_TAG as OWNER_TAG

_DIGITS = 32


def owner_tag(subject: str) -> str:
    """The tag of jobs that this subject has made."""
    return OWNER_TAG + sha256(subject.encode()).hexdigest()[:_DIGITS]


def owner_among(tags: Iterable[str], subject: str) -> str | None:
    """The subject if it has made the job with these tags, else None: for `Resource.owner`."""
    return subject if owner_tag(subject) in tags else None


def plain_tags(tags: Iterable[str]) -> list[str]:
    """Those that people have given: what is shown."""
    return [tag for tag in tags if not tag.startswith(OWNER_TAG)]
