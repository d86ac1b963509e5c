"""Pages of lists: `?limit=50&cursor=…`.  A cursor, opaque to callers, is the id that a page ended with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Query, Request, Response

from .. import base64url
from ..errors import InvalidParameter

Limit = Annotated[int, Query(ge=1, le=200, description="How many, at most.")]
Cursor = Annotated[str | None, Query(max_length=400, description="`next` of the page before.")]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_HasId)


def after(cursor: str | None) -> str:
    """The id that the page before ended with; before the first page it is empty.

    Raises:
        InvalidParameter: The cursor is none of ours.
    """
    if cursor is None:
        return ""
    try:
        return base64url.decode(cursor).decode()
    except ValueError:
        raise InvalidParameter("cursor", "it is none; take `next` of a page as it is") from None


def cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], str | None]:
    """One page of what was asked for with one more than `limit`, and the cursor of the next page, if any."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, base64url.encode(page[-1].id.encode())


def link_pages(request: Request, response: Response, **cursors: str | None) -> None:
    """Name the pages around this one in a `Link` header, too (RFC 8288): `next=…, prev=…`."""
    links = []
    for rel, cursor in cursors.items():
        if cursor is not None:
            url: Any = request.url.include_query_params(cursor=cursor)
            links.append(f'<{url.path}?{url.query}>; rel="{rel}"')
    if links:
        response.headers["link"] = ", ".join(links)


@dataclass(frozen=True, slots=True)
class PageWanted:
    """Which page of a list is asked for, where lists go on by the ids of what is in them."""

    request: Request
    response: Response
    limit: int
    after: str

    def cut(self, found: Sequence[T]) -> tuple[Sequence[T], str | None]:
        """The page of what was asked for with one more than `limit`, and the cursor of the next, if any."""
        page, following = cut(found, self.limit)
        link_pages(self.request, self.response, next=following)
        return page, following

    def cut_whole(self, found: Sequence[T]) -> tuple[Sequence[T], str | None]:
        """The same of a list that is there as a whole, in the order of its ids."""
        return self.cut([one for one in found if one.id > self.after])


async def _page_wanted(
    request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> PageWanted:
    return PageWanted(request, response, limit, after(cursor))


ThePage = Annotated[PageWanted, Depends(_page_wanted)]
