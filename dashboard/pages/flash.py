"""A line that the next page shows once: what came of a form.

It travels in a cookie, signed with what the browser shows as its login: nobody else can put words into our
mouth, and nothing has to be kept.
"""

from __future__ import annotations

import hashlib
import hmac

from fastapi import Request
from starlette.responses import Response

from .. import base64url
from ..cookies import read_session
from ..visit import visit_of

_COOKIE = "monarq_told"
_HOLDS_SECONDS = 60
_LONGEST = 500


def leave(request: Request, response: Response, text: str) -> None:
    """Give the browser a line for the next page; one who is not logged in gets none."""
    secret = read_session(request.cookies, visit_of(request.scope))
    if not secret:
        return
    body = base64url.encode(text[:_LONGEST].encode())
    _set(request, response, f"{body}.{_signed(secret, body)}", _HOLDS_SECONDS)


def take(request: Request) -> str | None:
    """The line that was left, if it is ours; a part of a page that is fetched anew leaves it to the page."""
    if "hx-request" in request.headers:
        return None
    secret = read_session(request.cookies, visit_of(request.scope))
    body, _, signature = request.cookies.get(_COOKIE, "").partition(".")
    if not secret or not hmac.compare_digest(signature.encode(), _signed(secret, body).encode()):
        return None
    return base64url.decode(body).decode()


def clear(request: Request, response: Response) -> None:
    """Take the line from the browser, if there is one."""
    if _COOKIE in request.cookies:
        _set(request, response, "", 0)


def _set(request: Request, response: Response, value: str, seconds: int) -> None:
    visit = visit_of(request.scope)
    response.set_cookie(
        _COOKIE, value, max_age=seconds, path="/", secure=not visit.is_private, httponly=True, samesite="lax"
    )


def _signed(secret: str, body: str) -> str:
    return hmac.new(secret.encode(), b"told " + body.encode(), hashlib.sha256).hexdigest()
