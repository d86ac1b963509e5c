"""Pages of a list that is put together of several sections, forwards and backwards.

A section is looked through from a place on; a place outlives the item that stood there.  Looking may end
early, where what fits is rare: the page is then short, and the next one goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ..errors import StoreError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Where something stands in its section: what JSON can hold.
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Stretch(Generic[T_co]):
    """What was found on the way from one place to another."""

    found: Sequence[tuple[Place, T_co]]
    #: Where looking ended early; None: there is nothing beyond.
    reached: Place | None


class Section(Protocol[T_co]):
    """A part of a list, in an order of its own."""

    async def look(self, after: Place | None, limit: int, *, backwards: bool) -> Stretch[T_co]:
        """The next items after a place (from the beginning, if there is none), nearest first."""
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a list: the section's number, and the place in it."""

    section: int
    place: Place
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T]):
    """One page."""

    items: list[T]
    #: Where the next page and the one before begin; None: there is none.
    next: Mark | None
    prev: Mark | None
    #: Sections that could not be looked at, by their numbers.
    missing: dict[int, StoreError]


@dataclass(slots=True)
class _Gathering(Generic[T]):
    found: list[tuple[Mark, T]]
    #: Where to go on; None: the end was reached.
    stop: Mark | None
    missing: dict[int, StoreError]


async def turn(sections: Sequence[Section[T]], mark: Mark | None, limit: int) -> Leaf[T]:
    """The page that begins at a mark, or the first one."""
    backwards = mark is not None and mark.backwards
    gathered = await _gather(sections, mark, limit, backwards=backwards)
    found = gathered.found
    if not backwards:
        before = None if mark is None or not found else _turned(found[0][0], backwards=True)
        return Leaf([item for _, item in found], gathered.stop, before, gathered.missing)
    if gathered.stop is None and len(found) < limit:
        # the first page: as full as it is for who begins there
        return await turn(sections, None, limit)
    found = found[::-1]
    behind = _turned(found[-1][0], backwards=False) if found else None
    return Leaf([item for _, item in found], behind, gathered.stop, gathered.missing)


async def _gather(
    sections: Sequence[Section[T]], mark: Mark | None, limit: int, *, backwards: bool
) -> _Gathering[T]:
    gathered: _Gathering[T] = _Gathering([], None, {})
    step = -1 if backwards else 1
    number = mark.section if mark else 0
    place = mark.place if mark else None
    while 0 <= number < len(sections):
        wanted = limit + 1 - len(gathered.found)
        try:
            stretch = await sections[number].look(place, wanted, backwards=backwards)
        except StoreError as error:
            gathered.missing[number] = error
        else:
            gathered.found += [(Mark(number, at, backwards), item) for at, item in stretch.found]
            if len(gathered.found) > limit:
                del gathered.found[limit:]
                gathered.stop = gathered.found[-1][0]
                break
            if stretch.reached is not None:
                gathered.stop = Mark(number, stretch.reached, backwards)
                break
        number, place = number + step, None
    return gathered


def _turned(mark: Mark, *, backwards: bool) -> Mark:
    return Mark(mark.section, mark.place, backwards)
