"""Which jobs a request means: `q=` in the language of searches, or a parameter for each of its names.

Both come to the same `JobSearch`; pages have the same parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query

from monarq.jobs.store.job_search import JobSearch, search_of
from monarq.jobs.store.search_terms import ARGUMENT, SearchFault, Term, Word, terms_of

from ..errors import InvalidParameter

LONGEST_TEXT = 2_000
#: Values of these hold no commas of their own.
_LISTED = frozenset({"state", "queue", "kind", "priority", "fingerprint"})

#: The values that a request gives for names of the language.
_Given = dict[str, list[str] | None]
_Several = Annotated[list[str] | None, Query(max_length=20)]
_States = Annotated[
    list[str] | None, Query(max_length=20, description="States, or live, waiting, finished, failed.")
]
_Tags = Annotated[list[str] | None, Query(max_length=20, description="A job has all of them.")]
_Words = Annotated[
    str | None, Query(max_length=LONGEST_TEXT, description="All of its words; `time*`: one that begins so.")
]
_Time = Annotated[
    str | None, Query(max_length=100, description="When it ended, or is due: `2h` (ago), or an ISO time.")
]
_Arguments = Annotated[
    list[str] | None, Query(max_length=20, description="An argument and its value: `customer.country=de`.")
]
_Written = Annotated[
    str | None,
    Query(
        max_length=LONGEST_TEXT,
        description="What is looked for: `state:failed queue:mail args.customer.id:17 after:2h`.",
    ),
]


async def _by_place(
    state: _States = None,
    queue: _Several = None,
    kind: _Several = None,
    priority: _Several = None,
    tag: _Tags = None,
    id: _Several = None,
    worker: _Several = None,
    fingerprint: _Several = None,
) -> _Given:
    return {
        "state": state,
        "queue": queue,
        "kind": kind,
        "priority": priority,
        "tag": tag,
        "id": id,
        "worker": worker,
        "fingerprint": fingerprint,
    }


async def _by_content(error: _Words = None, after: _Time = None, before: _Time = None) -> _Given:
    return {
        name: None if value is None else [value]
        for name, value in (("error", error), ("after", after), ("before", before))
    }


async def the_search(
    by_place: Annotated[_Given, Depends(_by_place)],
    by_content: Annotated[_Given, Depends(_by_content)],
    args: _Arguments = None,
    q: _Written = None,
) -> JobSearch:
    """The search of a request.

    Raises:
        InvalidParameter: It cannot be used; of `q` it says which word is at fault.
    """
    now = datetime.now(UTC)
    given = (by_place | by_content).items()
    named = [_named(name, values, now) for name, values in given if values is not None]
    named += [_argument(one, now) for one in args or ()]
    return _together(_written(q or "", now), named, now)


TheSearch = Annotated[JobSearch, Depends(the_search)]


def _written(text: str, now: datetime) -> list[Term]:
    try:
        terms = terms_of(text)
        search_of(terms, now)
    except SearchFault as fault:
        raise InvalidParameter("q", str(fault), (fault.start, fault.end)) from None
    return terms


def _named(name: str, values: list[str], now: datetime) -> Term:
    words = [word for value in values for word in (value.split(",") if name in _LISTED else [value])]
    return _checked(name, Term(name, tuple(map(Word, words))), now)


def _argument(text: str, now: datetime) -> Term:
    path, equals, value = text.partition("=")
    if not equals:
        raise InvalidParameter("args", "it has no value; write customer.country=de")
    return _checked("args", Term(ARGUMENT + path, (Word(value),)), now)


def _checked(parameter: str, term: Term, now: datetime) -> Term:
    try:
        search_of([term], now)
    except SearchFault as fault:
        raise InvalidParameter(parameter, str(fault)) from None
    return term


def _together(written: list[Term], named: list[Term], now: datetime) -> JobSearch:
    twice = {term.name for term in written} & {term.name for term in named}
    if twice:
        name = min(twice)
        raise InvalidParameter(name.partition(".")[0], "q says it, too; say it once")
    try:
        return search_of(written + named, now)
    except SearchFault as fault:  # of several parameters: a time that is not before another
        raise InvalidParameter(next(_names(named), "q"), str(fault)) from None


def _names(terms: list[Term]) -> Iterator[str]:
    return (term.name for term in terms if term.name in ("before", "after"))
