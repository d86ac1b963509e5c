"""Where the app lies below its host: at the path of its URL, or where another app has mounted it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import Scope


class Place:
    """Reads the path of a request.

    Args:
        url: Where the dashboard is for browsers; None: at the root.
    """

    def __init__(self, url: str | None) -> None:
        self._prefix = "" if url is None else urlsplit(url).path.rstrip("/")

    def find(self, scope: Scope) -> Scope:
        """The same request, whose `root_path` says what of its path is not ours.

        A proxy may have cut the prefix off, or left it; one that another app has told is left alone.
        """
        if not self._prefix or scope.get("root_path") or scope["type"] == "lifespan":
            return scope
        path = scope["path"]
        is_whole = path == self._prefix or path.startswith(self._prefix + "/")
        return {**scope, "root_path": self._prefix, "path": path if is_whole else self._prefix + path}
