"""Whether a job that has not ended fits a filter: the same that PostgreSQL decides of those that have."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from .job_filter import JobFilter, PayloadField
from .job_search import JobSearch
from .live_jobs import LiveJob

#: As much of an error is looked at as the history keeps words of.
_ERROR_CHARS = 8_000
_HUMPS = re.compile("([a-z])([A-Z])")
_WANTED_WORDS = re.compile(r"(\w+)(\*?)")


def fits(search: JobSearch, job: LiveJob) -> bool:
    """Whether a search means this job; parts that it must stay within are not looked at."""
    wanted = search.filter
    return (
        search.wants(job.state)
        and _fits_values(wanted, job)
        and set(wanted.values("tag")) <= set(job.tags)
        and _fits_time(wanted, job)
        and (wanted.text is None or _has_words(job, wanted.text))
        and all(has_argument(job.payload, one) for one in wanted.payload)
    )


def time_of(job: LiveJob) -> datetime | None:
    """The time by which a job is searched: when it is due, or of one that runs, when it was enqueued."""
    return job.due_at or job.enqueued_at


def has_argument(payload: Mapping[str, Any], wanted: PayloadField) -> bool:
    """Whether the arguments have this value at this place."""
    names = wanted.path.split(".")
    if wanted.or_text is not None and _has(payload, names, lambda found: found == wanted.or_text):
        return True
    return _has(payload, names, lambda found: _is_same(found, wanted.value))


_VALUES: Mapping[str, Callable[[LiveJob], str | None]] = {
    "queue": lambda job: job.queue,
    "kind": lambda job: job.kind,
    "priority": lambda job: job.priority,
    "job_id": lambda job: job.job_id,
    "worker": lambda job: job.worker,
    "fingerprint": lambda job: job.fingerprint,
}


def _fits_values(wanted: JobFilter, job: LiveJob) -> bool:
    return all(
        value_of(job) in wanted.values(name)
        for name, value_of in _VALUES.items()
        if getattr(wanted, name) is not None
    )


def _fits_time(wanted: JobFilter, job: LiveJob) -> bool:
    if wanted.since is None and wanted.until is None:
        return True
    time = time_of(job)
    return (
        time is not None
        and (wanted.since is None or time >= wanted.since)
        and (wanted.until is None or time < wanted.until)
    )


def _has_words(job: LiveJob, text: str) -> bool:
    kind = job.error_type or ""
    parted = _HUMPS.sub(r"\1 \2", kind)
    told = f"{kind} {parted} {job.error_message or ''}"[:_ERROR_CHARS]
    words = set(re.findall(r"\w+", told.lower()))
    for word, star in _WANTED_WORDS.findall(text.lower()):
        if word not in words and not (star and any(one.startswith(word) for one in words)):
            return False
    return True


def _has(found: object, names: list[str], is_meant: Callable[[object], bool]) -> bool:
    if not names:
        return is_meant(found)
    name, *rest = names
    plain = name.removesuffix("[]")
    if not isinstance(found, Mapping) or plain not in found:
        return False
    below = found[plain]
    if plain == name:
        return _has(below, rest, is_meant)
    return isinstance(below, list) and any(_has(entry, rest, is_meant) for entry in below)


def _is_same(found: object, wanted: object) -> bool:
    """As JSON compares: 1 is 1.0, but true is not 1."""
    return isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
