"""The cookie of a browser's login."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from .visit import Visit

#: `__Host-`: no other host, no other path and nobody without TLS can have set it.
_SECURE = "__Host-monarq_session"
#: Over plain loopback no browser takes that one.
_PLAIN = "monarq_session"
COOKIE_NAMES = frozenset({_SECURE, _PLAIN})


def read_session(cookies: Mapping[str, str], visit: Visit) -> str | None:
    """What the browser shows; the plain cookie counts over loopback only."""
    return cookies.get(_name(visit))


def set_session(response: Response, visit: Visit, secret: str) -> None:
    """Give it to the browser, until it is closed or logged out: the store knows when the login ends."""
    response.set_cookie(
        _name(visit), secret, path="/", secure=not visit.is_private, httponly=True, samesite="lax"
    )


def drop_session(response: Response, visit: Visit) -> None:
    """Take it from the browser."""
    response.delete_cookie(_name(visit), path="/", secure=not visit.is_private, httponly=True, samesite="lax")


def _name(visit: Visit) -> str:
    return _PLAIN if visit.is_private else _SECURE
