"""Searches as text, taken apart: terms, and the values in them.

    state:dead,retrying queue:mail args.customer.country:de error:"connection reset" after:2h

A term is a name, a colon and values with commas between them; what holds blanks, commas or quotes stands in
quotes.  A word of 32 hex digits alone is a job's id.  What the names mean is in `job_search.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import DefinitionError

#: Stands before the path of an argument.
ARGUMENT = "args."

_NAME = re.compile(r"[A-Za-z_][^\s:\",]*(?=:)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PLAIN = re.compile(r'[^\s,"]+')
_WORD = re.compile(r"\S+")
_ID = re.compile(r"[0-9a-f]{32}")
_TYPED = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|\\?$))*$', re.DOTALL)


class SearchFault(DefinitionError):
    """A search cannot be read.  `start` and `end` say where in its text the word is that is at fault."""

    code = "search_fault"

    def __init__(self, detail: str, start: int, end: int) -> None:
        super().__init__(detail)
        self.start, self.end = start, end


@dataclass(frozen=True, slots=True)
class Word:
    """A value, and where it stands in the text."""

    text: str
    start: int = 0
    end: int = 0
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """`name:value,value`, and where it stands in the text."""

    name: str
    values: tuple[Word, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Typing:
    """What is being typed: the value of a name, or the name itself, if that is None."""

    name: str | None
    begun: str
    #: Where in the text it begins.
    start: int


def terms_of(text: str) -> list[Term]:
    """The terms of a text, one by one.

    Raises:
        SearchFault: It is not made of terms.
    """
    return list(_terms(text))


def spelled(name: str, *values: str) -> str:
    """A term as it is written."""
    return f"{name}:" + ",".join(map(_quoted_if_needed, values))


def typed_at(text: str, at: int) -> Typing:
    """What somebody is typing whose cursor stands at this place of the text."""
    found = _TYPED.search(text[:at])
    begun, start = (found[0], found.start()) if found else ("", at)
    name, colon, rest = begun.partition(":")
    if not colon:
        return Typing(None, begun, start)
    value = rest.rpartition(",")[2]
    return Typing(name.lower(), value.lstrip('"'), start + len(begun) - len(value))


def _terms(text: str) -> Iterator[Term]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        name = _NAME.match(text, at)
        if name is None:
            term = _bare(text, at)
        else:
            values = tuple(_values(text, name.end() + 1))
            term = Term(_plain_name(name[0]), values, at, values[-1].end)
        yield term
        at = term.end


def _plain_name(name: str) -> str:
    # names of arguments are somebody else's: there, upper and lower case are not alike
    is_argument = name.lower().startswith(ARGUMENT)
    return ARGUMENT + name[len(ARGUMENT) :] if is_argument else name.lower()


def _bare(text: str, at: int) -> Term:
    found = _WORD.match(text, at)
    assert found is not None
    word = found[0]
    if not _ID.fullmatch(word):
        plain = _PLAIN.match(word)
        shown = _quoted_if_needed(plain[0] if plain else word)
        told = f"say what it is: kind:{shown}, queue:{shown}, tag:{shown}, error:{shown}"
        raise SearchFault(told, at, found.end())
    return Term("id", (Word(word, at, found.end()),), at, found.end())


def _values(text: str, at: int) -> Iterator[Word]:
    while True:
        if text.startswith('"', at):
            found = _QUOTED.match(text, at)
            if found is None:
                raise SearchFault("a quote is not closed", at, len(text))
            yield Word(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL), at, found.end(), True)
        else:
            found = _PLAIN.match(text, at)
            if found is None:
                raise SearchFault("a value is missing here", at, min(at + 1, len(text)))
            yield Word(found[0], at, found.end())
        at = found.end()
        if not text.startswith(",", at):
            break
        at += 1
    if at < len(text) and not text[at].isspace():
        raise SearchFault('after a value comes a blank or a comma; write name:"a value"', at, at + 1)


def _quoted_if_needed(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
