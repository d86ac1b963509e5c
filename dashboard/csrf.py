"""Changes that a browser makes must come from our own pages.

A browser says where a request comes from (`Sec-Fetch-Site`, which no page can set); one that does not must
show our `Origin`.  Who brings a bearer token is no browser that somebody else could make do things, and a
request that says neither is allowed only if it has no cookie of ours.  Besides, bodies are JSON, which no
form can send (`media.py`).
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from .cookies import COOKIE_NAMES
from .errors import CrossOrigin
from .visit import Visit

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def check_origin(scope: Scope, visit: Visit) -> None:
    """Refuse a change that another site may have asked for.

    Raises:
        CrossOrigin: It may have.
    """
    # a WebSocket is opened by GET, and yet any site may try
    if scope["type"] == "http" and scope["method"] in _SAFE:
        return
    headers = Headers(scope=scope)
    if "authorization" in headers:
        return
    if sites := headers.getlist("sec-fetch-site"):
        if sites != ["same-origin"]:
            raise CrossOrigin
        return
    origins = headers.getlist("origin")
    if origins != [visit.origin] if origins else _has_session(headers):
        raise CrossOrigin


def _has_session(headers: Headers) -> bool:
    return any(not COOKIE_NAMES.isdisjoint(cookie_parser(line)) for line in headers.getlist("cookie"))
