"""Addresses of pages, below wherever the app is mounted."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode

from starlette.types import Scope

from ..media import path_of

#: A path of this site: `//host` and `/\host` are other sites, for a browser.
_OURS = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_LONGEST = 2_000


def build(root: str, path: str, *segments: str, **parameters: object) -> str:
    """An address: `build("", "/queues", "a/b", sort="ready")` is `/queues/a%2Fb?sort=ready`.

    A parameter that is None is left out; a list is repeated.
    """
    tail = "".join("/" + quote(str(segment), safe="@:") for segment in segments)
    pairs = {name: value for name, value in parameters.items() if value is not None}
    query = urlencode(pairs, doseq=True)
    return f"{root}{path.rstrip('/') if tail else path}{tail}{'?' + query if query else ''}"


def again(root: str, path: str, query: str, **changes: object) -> str:
    """The same address with other parameters; None takes one out."""
    kept: list[tuple[str, object]] = [
        (name, value) for name, value in parse_qsl(query, keep_blank_values=True) if name not in changes
    ]
    added = [(name, value) for name, value in changes.items() if value is not None]
    asked = urlencode(kept + added, doseq=True)
    return f"{root}{quote(path, safe='/@:')}{'?' + asked if asked else ''}"


def here_of(scope: Scope) -> str:
    """The path and the query of a request, below where the app is mounted."""
    return again("", path_of(scope), scope["query_string"].decode("latin-1"))


def safe_next(text: str | None) -> str:
    """Where to go on after a login, or home, if the text leads anywhere else than to a page of this site."""
    return text if text and len(text) <= _LONGEST and _OURS.fullmatch(text) else "/"
