"""What a body may be, judged by the headers: JSON for the API, a form for a page; never compressed."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from .errors import BodyTooLarge, UnsupportedMedia

#: What is read by programs; pages have forms.
_API = "/v1/"
_JSON, _FORM = "application/json", "application/x-www-form-urlencoded"


def check_media(scope: Scope, *, largest_bytes: int) -> None:
    """Refuse a body that will not be read.  One that does not tell its size is measured while it is read.

    Raises:
        UnsupportedMedia: It is not what is wanted there.
        BodyTooLarge: It says that it is larger than that.
    """
    if scope["type"] != "http":
        return
    headers = Headers(scope=scope)
    size = headers.get("content-length", "0")
    if size.isdecimal() and int(size[:20]) > largest_bytes:
        raise BodyTooLarge
    has_body = size != "0" or "transfer-encoding" in headers
    if not has_body:
        return
    wanted = _JSON if path_of(scope).startswith(_API) else _FORM
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != wanted or "content-encoding" in headers:
        raise UnsupportedMedia(wanted)


def path_of(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
