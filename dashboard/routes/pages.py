"""Pages of lists: `?limit=50&cursor=…`.  A cursor, opaque to callers, is the id that a page ended with."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Query, Request, Response

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
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidParameter("cursor", "it is none; take `next` of a page as it is") from None


def cut(found: Sequence[T], limit: int) -> tuple[Sequence[T], str | None]:
    """One page of what was asked for with one more than `limit`, and the cursor of the next page, if any."""
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    return page, base64.urlsafe_b64encode(page[-1].id.encode()).rstrip(b"=").decode()


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Name the next page in a `Link` header, too (RFC 8288)."""
    link_pages(request, response, next=cursor)


def link_pages(request: Request, response: Response, **cursors: str | None) -> None:
    """The same of the pages around this one: `next=…, prev=…`."""
    links = []
    for rel, cursor in cursors.items():
        if cursor is not None:
            url: Any = request.url.include_query_params(cursor=cursor)
            links.append(f'<{url.path}?{url.query}>; rel="{rel}"')
    if links:
        response.headers["link"] = ", ".join(links)
