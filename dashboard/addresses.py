"""What the address of a request may hold: text that both stores can hold, and so no NUL."""

from __future__ import annotations

from starlette.types import Scope

from .errors import RequestRefused


def check_address(scope: Scope) -> None:
    """Refuse an address that names nothing that could be: PostgreSQL would fail at it.

    Raises:
        RequestRefused: It holds a NUL.
    """
    if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
        raise RequestRefused("the address holds a NUL character; no name and no text has one")
