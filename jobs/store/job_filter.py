"""Which finished jobs are meant, and in which order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from math import isfinite
from reprlib import repr as short_repr
from typing import Any

from pydantic_core import to_json

from ..errors import DefinitionError
from ..fingerprint import FINGERPRINT
from ..priority import PRIORITIES
from ..state import FINAL

#: What PostgreSQL stores in no text: the character 0, and halves of a surrogate pair.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

#: How deep a path may lead into the arguments of a job.
MOST_NAMES = 32


class Sort(StrEnum):
    """Which jobs come first.  By run time, those that never ran are left out."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SLOWEST = "slowest"  #: the last attempt ran longest
    FASTEST = "fastest"

    @property
    def is_by_time(self) -> bool:
        """Whether the time of the end alone decides."""
        return self in (Sort.NEWEST, Sort.OLDEST)


@dataclass(frozen=True, slots=True)
class PayloadField:
    """A place in the arguments, and what stands there."""

    #: Names with dots between them: `customer.country`.  `lines[].sku`: of any entry of the list `lines`.
    path: str
    value: str | int | float | bool | None
    #: Or this text stands there: who types 17 may mean "17" as well.
    or_text: str | None = None

    def __post_init__(self) -> None:
        if not all(name.removesuffix("[]") for name in self.path.split(".")):
            raise DefinitionError(f"payload: {short_repr(self.path)} is no path; write customer.country")
        if self.path.count(".") >= MOST_NAMES:
            raise DefinitionError(f"payload: {short_repr(self.path)} leads deeper than {MOST_NAMES} names")
        if self.value is not None and not isinstance(self.value, (str, int, float)):
            raise DefinitionError(f"payload: {self.path}: {short_repr(self.value)} is no text and no number")
        if isinstance(self.value, float) and not isfinite(self.value):
            raise DefinitionError(f"payload: {self.path}: {self.value} is no number of JSON")
        _check_text("payload", self.path)
        _check_text("payload", self.value)

    def as_json(self) -> str:
        """The smallest document that has the value."""
        return self._document(self.value)

    def as_documents(self) -> list[str]:
        """The smallest documents that fit: any of them will do."""
        return [self.as_json()] + ([] if self.or_text is None else [self._document(self.or_text)])

    def _document(self, value: object) -> str:
        document: Any = value
        for name in reversed(self.path.split(".")):
            if name.endswith("[]"):
                document = [document]
            document = {name.removesuffix("[]"): document}
        return to_json(document).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of all jobs.  A name fits one pattern of each group; `*` stands for any characters."""

    queues: tuple[tuple[str, ...], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()
    #: Only those that have it.
    tag: str | None = None


#: One value, or several of which any will do.
OneOf = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """All finished jobs that fit every field that is given; without any, all that there are."""

    state: OneOf | None = None
    queue: OneOf | None = None
    kind: OneOf | None = None
    priority: OneOf | None = None
    job_id: OneOf | None = None
    #: Of several, a job has all.
    tag: OneOf | None = None
    #: Who ran the last attempt.
    worker: OneOf | None = None
    #: Of one group of failures that look like the same bug.
    fingerprint: OneOf | None = None
    #: Those that ended at this time or later.
    since: datetime | None = None
    #: Those that ended before this time.
    until: datetime | None = None
    #: The error has all of its words, in any order and case; `time*`: one that begins with it.
    text: str | None = None
    payload: tuple[PayloadField, ...] = ()
    #: They lie in one of these parts; None: anywhere.
    within: tuple[Part, ...] | None = None

    def __post_init__(self) -> None:
        for name, value in self._given():
            _check_text(name, value)
        for state in self.values("state"):
            if state not in FINAL:
                ends = ", ".join(sorted(FINAL))
                raise DefinitionError(f"state: {short_repr(state)} is no end of a job; they are {ends}")
        for priority in self.values("priority"):
            if priority not in PRIORITIES:
                told = f"priority: {short_repr(priority)} is not one of {', '.join(PRIORITIES)}"
                raise DefinitionError(told)
        for fingerprint in self.values("fingerprint"):
            if not FINGERPRINT.fullmatch(fingerprint):
                told = f"fingerprint: {short_repr(fingerprint)} is not one; they have 16 hex digits"
                raise DefinitionError(told)
        if self.text is not None and not re.search(r"\w", self.text):
            raise DefinitionError(f"text: {short_repr(self.text)} holds no word")
        self._check_times()

    def values(self, name: str) -> tuple[str, ...]:
        """What is given for a field that takes several values; nothing: any will do."""
        given: OneOf | None = getattr(self, name)
        return given if isinstance(given, tuple) else () if given is None else (given,)

    def _check_times(self) -> None:
        for name, time in (("since", self.since), ("until", self.until)):
            if time is not None and time.tzinfo is None:
                raise DefinitionError(f"{name}: {time!r} has no time zone; use datetime.now(timezone.utc)")
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise DefinitionError(f"since: {self.since} is not before until, {self.until}")

    def _given(self) -> Iterator[tuple[str, Any]]:
        for one in fields(self):
            if (value := getattr(self, one.name)) not in (None, ()):
                yield one.name, value

    def __str__(self) -> str:
        """The same for the same filter, whoever asks."""
        return ", ".join(f"{name}={value!r}" for name, value in self._given())


def _check_text(name: str, value: object) -> None:
    for text in value if isinstance(value, tuple) else (value,):
        if isinstance(text, str) and _UNSTORABLE.search(text):
            raise DefinitionError(f"{name}: {short_repr(text)} holds characters that no job can have")
