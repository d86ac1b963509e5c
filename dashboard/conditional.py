"""Conditional requests (RFC 9110): what a caller has already is not sent again, and what has changed since
they looked is not overwritten.

Every answer to a GET that is sent as a whole has a strong ETag: the digest of its body, unless its route has
set one.  `If-None-Match` with the same one gets a 304.  Routes of `Guarded` do this by themselves.

For a change, the route hands `If-Match` to the service, which knows what it is about to change
(`preconditions.py`); the GET of the same resource sets the same version as its ETag:

    async def reschedule(job_id: JobId, order: Order, asked: IfMatch, caller: TheCaller, ...): ...
        await services.jobs.reschedule(caller, job_id, order.at, asked)
"""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Depends, Header, Request, Response
from starlette.responses import FileResponse, StreamingResponse

from .preconditions import ANY, UNCONDITIONAL, Precondition, tag_of

_TAG = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
#: What describes a body, and so has no place where there is none.
_OF_BODY = frozenset({"content-length", "content-type", "content-encoding", "content-disposition"})


async def _if_match(
    request: Request,
    if_match: Annotated[
        str | None, Header(description="ETags of the versions that may be changed; `*`: whatever it is.")
    ] = None,
) -> Precondition:
    if if_match is None:
        return UNCONDITIONAL
    lines = ",".join(request.headers.getlist("if-match"))
    # a weak one may stand for another body: it matches none (RFC 9110, 13.1.1)
    strong = {tag for weak, tag in _TAG.findall(lines) if not weak}
    return Precondition(frozenset(strong | ({ANY} if lines.strip() == ANY else set())))


IfMatch = Annotated[Precondition, Depends(_if_match)]


def conditional(request: Request, response: Response) -> Response:
    """The answer with its ETag; or a 304, if the caller has just this one."""
    is_whole = response.status_code == 200 and not isinstance(response, (StreamingResponse, FileResponse))
    if request.method != "GET" or not is_whole:
        return response
    tag = response.headers.setdefault("etag", tag_of(bytes(response.body)))
    if not _has(",".join(request.headers.getlist("if-none-match")), tag):
        return response
    unchanged = Response(status_code=304)
    unchanged.raw_headers = [
        (name, value) for name, value in response.raw_headers if name.decode("latin-1") not in _OF_BODY
    ]
    unchanged.background = response.background
    return unchanged


def _has(header: str, tag: str) -> bool:
    return header.strip() == ANY or tag.removeprefix("W/") in {known for _, known in _TAG.findall(header)}
