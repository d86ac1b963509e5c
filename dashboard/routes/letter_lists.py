"""Which dead letters a list is of, and where its pages begin."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated

from fastapi import Depends, Query
from pydantic_core import from_json, to_json

from monarq.jobs.fingerprint import FINGERPRINT
from monarq.jobs.store.dead_letter import Place
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_pages import LetterPage, Turn

from .. import base64url
from ..errors import InvalidParameter
from ..moments import Moment
from ..operations.filters import OperationFilter

_Words = Query(min_length=1, max_length=200)


async def read_filter(
    queue: Annotated[str | None, _Words] = None,
    kind: Annotated[str | None, _Words] = None,
    error: Annotated[
        str | None, Query(min_length=1, max_length=200, description="The type of the last error, exactly.")
    ] = None,
    fingerprint: Annotated[
        str | None, Query(pattern=f"^{FINGERPRINT.pattern}$", description="Of one group.")
    ] = None,
    after: Annotated[Moment | None, Query(description="Died then or later.")] = None,
    before: Annotated[Moment | None, Query(description="Died before then.")] = None,
    text: Annotated[
        str | None,
        Query(min_length=1, max_length=200, description="In the id, the error or the arguments."),
    ] = None,
) -> OperationFilter:
    """The filter of an address: the same members as that of an operation."""
    if after is not None and before is not None and after >= before:
        raise InvalidParameter("before", "it is not later than `after`")
    return OperationFilter(
        queue=queue,
        kind=kind,
        error=error,
        fingerprint=fingerprint,
        after=after,
        before=before,
        text=text,
        q=None,
        ids=None,
    )


TheFilter = Annotated[OperationFilter, Depends(read_filter)]


@dataclass(frozen=True, slots=True)
class Cursors:
    """Cursors of one list: each says where a page begins, in which direction, and of which filter it is."""

    wanted: LetterFilter

    def turn(self, cursor: str | None, limit: int) -> Turn:
        """What a cursor stands for.

        Raises:
            InvalidParameter: It is none, or of another filter.
        """
        if cursor is None:
            return Turn(limit=limit)
        mark, is_back, died_ms, job_id = _read(cursor)
        if mark != self._mark:
            raise InvalidParameter("cursor", "it is of another filter; begin at the first page")
        return Turn(limit=limit, newest_first=not is_back, beyond=(died_ms, job_id))

    def around(self, page: LetterPage, turn: Turn) -> tuple[str | None, str | None]:
        """The cursors of the next page, of older letters, and of the one before, if there may be any."""
        if turn.newest_first:
            first = page.heads[0].place if page.heads else turn.beyond
            return self._older(page.edge), None if turn.beyond is None else self._newer(first)
        last = page.heads[0].place if page.heads else turn.beyond
        return self._older(last), self._newer(page.edge)

    def _older(self, place: Place | None) -> str | None:
        return None if place is None else self._write(place, is_back=False)

    def _newer(self, place: Place | None) -> str | None:
        return None if place is None else self._write(place, is_back=True)

    def _write(self, place: Place, *, is_back: bool) -> str:
        return base64url.encode(to_json([self._mark, is_back, *place]))

    @property
    def _mark(self) -> str:
        return blake2b(repr(self.wanted).encode(), digest_size=6).hexdigest()


def _read(cursor: str) -> tuple[str, bool, int, str]:
    try:
        mark, is_back, died_ms, job_id = from_json(base64url.decode(cursor))
    except (ValueError, TypeError):
        raise InvalidParameter("cursor", "it is none; take `next` or `prev` of a page as it is") from None
    is_ours = isinstance(mark, str) and isinstance(is_back, bool) and isinstance(job_id, str)
    if not is_ours or type(died_ms) is not int or not 0 <= died_ms < 1 << 53:
        raise InvalidParameter("cursor", "it is none; take `next` or `prev` of a page as it is")
    return mark, is_back, died_ms, job_id
