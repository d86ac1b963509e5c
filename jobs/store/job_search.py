"""Which jobs a search means, whether they have ended or not: what the names in its text stand for.

All terms must fit; of several values of one name any will do.  A job has all tags that are given, and its
error all words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from reprlib import repr as short_repr
from typing import Any, NoReturn

from pydantic_core import from_json

from ..errors import DefinitionError
from ..state import FINAL, State
from .job_filter import JobFilter, PayloadField
from .search_terms import ARGUMENT, SearchFault, Term, Word, terms_of

#: Words that stand for several states.
STATE_GROUPS: Mapping[str, frozenset[State]] = {
    "live": frozenset(State) - FINAL,
    "waiting": frozenset({State.SCHEDULED, State.READY, State.RETRYING}),
    "finished": FINAL,
    "failed": frozenset({State.RETRYING, State.DEAD}),
}
#: What can be asked for, and by which field of a `JobFilter`.
_FIELDS = {
    "queue": "queue",
    "kind": "kind",
    "priority": "priority",
    "tag": "tag",
    "id": "job_id",
    "worker": "worker",
    "fingerprint": "fingerprint",
    "error": "text",
    "after": "since",
    "before": "until",
}
NAMES = ("state", *_FIELDS)
#: Each value of a name may become a search of its own.
MOST_VALUES = 20

_SPAN = re.compile(r"(\+?)(\d{1,9}(?:\.\d{1,9})?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_Read = Callable[[Word, datetime], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSearch:
    """Which jobs are meant, whether they have ended or not."""

    #: None named: all of them.
    states: frozenset[State] = frozenset()
    #: The same for the rest; its `state` is left open.
    filter: JobFilter = field(default_factory=JobFilter)

    def wants(self, state: State) -> bool:
        """Whether jobs in this state are meant."""
        return not self.states or state in self.states


def read_search(text: str, now: datetime) -> JobSearch:
    """The search that a text asks for.

    Raises:
        SearchFault: It cannot be read; it says which word is at fault, and what could stand there.
    """
    return search_of(terms_of(text), now)


def search_of(terms: Sequence[Term], now: datetime) -> JobSearch:
    """The search that these terms ask for together.

    Raises:
        SearchFault: A term cannot be used.
    """
    states: set[State] = set()
    given: dict[str, tuple[Any, ...]] = {}
    for term in terms:
        if term.name == "state":
            states.update(*map(_states, term.values))
            continue
        name, read = _reader(term)
        read_values = tuple(read(word, now) for word in term.values)
        # checked one by one, so that the fault is that of the word
        for word, value in zip(term.values, read_values, strict=True):
            _check(word, **{name: (value,) if name == "payload" else value})
        given[name] = tuple(dict.fromkeys(given.get(name, ()) + read_values))
        _check_number(term, name, given[name])
    try:
        wanted = JobFilter(**{name: _together(name, values) for name, values in given.items()})
    except DefinitionError as error:  # of several terms: a time that is not before another
        raise SearchFault(_in_our_names(str(error)), terms[0].start, terms[-1].end) from None
    return JobSearch(states=frozenset(states), filter=wanted)


def _together(name: str, values: tuple[Any, ...]) -> Any:
    if name == "payload":
        return values
    if name == "text":
        return " ".join(values)
    return values[0] if len(values) == 1 else values


def _check(word: Word, **fields: Any) -> None:
    try:
        JobFilter(**fields)
    except DefinitionError as error:
        _fail(word, _in_our_names(str(error)))


def _check_number(term: Term, name: str, values: tuple[Any, ...]) -> None:
    if name in ("since", "until") and len(values) > 1:
        raise SearchFault(f"{term.name}: one time is enough", term.start, term.end)
    if len(values) > MOST_VALUES:
        raise SearchFault(f"{term.name}: {MOST_VALUES} values at most", term.start, term.end)


# --- values


def _reader(term: Term) -> tuple[str, _Read]:
    """The field that a term gives, and how its values are read."""
    if term.name.startswith(ARGUMENT):
        if len(term.values) > 1:
            told = f"{term.name}: one value only; put it in quotes if it holds a comma"
            raise SearchFault(told, term.start, term.end)
        path = term.name.removeprefix(ARGUMENT)
        return "payload", lambda word, _: _argument(path, word)
    name = _FIELDS.get(term.name)
    if name is None:
        near = get_close_matches(term.name, (*NAMES, ARGUMENT), n=1)
        meant = f"did you mean {near[0]}" if near else f"there are {', '.join(NAMES)} and args.…"
        raise SearchFault(f"{term.name}: no such name; {meant}", term.start, term.start + len(term.name))
    return name, _time if name in ("since", "until") else lambda word, _: word.text


def _states(word: Word) -> frozenset[State]:
    name = word.text.lower()
    if name in STATE_GROUPS:
        return STATE_GROUPS[name]
    if name not in set(State):
        known = (*map(str, State), *STATE_GROUPS)
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else "."
        _fail(word, f"state: {short_repr(word.text)} is none{meant} There are {', '.join(known)}")
    return frozenset({State(name)})


def _argument(path: str, word: Word) -> PayloadField:
    try:
        value = word.text if word.is_quoted else from_json(word.text, allow_inf_nan=False)
    except ValueError:
        value = word.text
    try:
        return PayloadField(path, value, None if isinstance(value, str) else word.text)
    except DefinitionError as error:
        _fail(word, str(error).replace("payload: ", ARGUMENT, 1))


def _time(word: Word, now: datetime) -> datetime:
    try:
        if span := _SPAN.fullmatch(word.text):
            length = timedelta(**{_UNITS[span[3]]: float(span[2])})
            return now + length if span[1] else now - length
        time = datetime.fromisoformat(word.text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        _fail(
            word,
            f"{short_repr(word.text)} is no time; write 2h (ago), +2h (from now) or 2030-01-31T09:00 (UTC)",
        )


def _fail(word: Word, detail: str) -> NoReturn:
    raise SearchFault(detail, word.start, word.end)


def _in_our_names(told: str) -> str:
    for ours, theirs in _FIELDS.items():
        if told.startswith(f"{theirs}: "):
            return ours + told.removeprefix(theirs)
    return told
