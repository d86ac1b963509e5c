"""The route class of pages: what `Guarded` is for programs, `Page` is for people."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

from fastapi import Request
from starlette.responses import Response

from ..routes.guarded import Guarded, Handler
from .files import accepts_gzip

_WORTH_PACKING_BYTES = 1_000
#: Fast; the last per cent would cost more time than they save.
_PACKING = 4


class Page(Guarded):
    """A page, or a form of one.  It is in no OpenAPI document."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **(options | {"include_in_schema": False}))

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            return pack(request, await handle(request))

        return shown


def pack(request: Request, response: Response) -> Response:
    """The same answer, compressed if the browser unpacks."""
    if response.media_type != "text/html" or "content-encoding" in response.headers:
        return response
    body = bytes(response.body)
    response.headers.add_vary_header("Accept-Encoding, Cookie")
    if len(body) >= _WORTH_PACKING_BYTES and accepts_gzip(request):
        response.body = gzip.compress(body, _PACKING, mtime=0)
        response.headers["content-encoding"] = "gzip"
        response.headers["content-length"] = str(len(response.body))
    return response
