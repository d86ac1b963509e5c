"""A page of dead letters: of all queues and both places, in order, without reading more than it must.

Each queue and place is a source of its own.  A source that was read as far as one request may read ends at an
edge; a page then goes no further than the nearest edge, so that it never leaves out a letter that it has not
looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from .dead_letter import LetterHead, Place
from .letter_filter import LetterFilter

#: Whether a letter may be shown to who asks.
Admits = Callable[[LetterHead], bool]
#: Letters that are looked at in each source for one page, at most.
LOOKED_AT = 4_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Which page."""

    limit: int = 50
    newest_first: bool = True
    #: Only what comes behind this place.
    beyond: Place | None = None


FIRST_PAGE = Turn()


def admit_all(head: LetterHead) -> bool:
    """Of who may see all letters."""
    return True


@dataclass(frozen=True, slots=True)
class LetterPage:
    """Some letters, in order."""

    heads: Sequence[LetterHead]
    #: There may be more behind this place; None: there are none.
    edge: Place | None
    #: It ends there because enough was looked at, not because it is full.
    is_cut_short: bool = False


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a source that was read."""

    #: What was found in it, perhaps more than is meant.
    heads: Sequence[LetterHead]
    #: How many letters were looked at, and the last of them.
    looked_at: int
    end: Place


Source = AsyncGenerator[Stretch, None]


@dataclass(slots=True)
class Taken:
    """What was read of one source."""

    heads: list[LetterHead] = field(default_factory=list)
    #: Where it was left, although it goes on.
    edge: Place | None = None


async def take_all(
    sources: Iterable[Source], wanted: LetterFilter, turn: Turn, admits: Admits
) -> Sequence[Taken]:
    """As much of each source as the page could need."""
    return await asyncio.gather(*(_take(source, wanted, turn.limit, admits) for source in sources))


def page_of(taken: Sequence[Taken], turn: Turn) -> LetterPage:
    """The page that comes of it.  A letter that comes from two sources counts once."""
    edges = [one.edge for one in taken if one.edge is not None]
    edge = (max(edges) if turn.newest_first else min(edges)) if edges else None
    found = {head.letter: head for one in reversed(taken) for head in one.heads}
    heads = sorted(found.values(), key=lambda head: head.place, reverse=turn.newest_first)
    if edge is not None:
        heads = [head for head in heads if (head.place >= edge if turn.newest_first else head.place <= edge)]
    if len(heads) > turn.limit:
        heads = heads[: turn.limit]
        return LetterPage(heads, heads[-1].place)
    return LetterPage(heads, edge, is_cut_short=edge is not None)


async def _take(source: Source, wanted: LetterFilter, limit: int, admits: Admits) -> Taken:
    taken, looked_at = Taken(), 0
    async with aclosing(source) as stretches:
        async for stretch in stretches:
            looked_at += stretch.looked_at
            taken.heads += [head for head in stretch.heads if wanted.fits(head) and admits(head)]
            if len(taken.heads) > limit:
                break
            if looked_at >= LOOKED_AT:
                taken.edge = stretch.end
                break
    return taken
