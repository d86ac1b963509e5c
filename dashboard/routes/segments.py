"""Names in addresses that hold a `/`, and routes that go on behind them.

`/v1/jobs/a%2Fwhy` is the job `a/why`, and `/v1/jobs/a/why` asks why the job `a` is where it is.  To the
routes both are the same path; only the path as it was sent tells them apart.
"""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from starlette.types import Scope


def ends_with(scope: Scope, pattern: str) -> bool:
    """Whether what stands behind the last name of the pattern are segments of the address as it was sent.

    A server that does not tell how it was sent, or a proxy that has written the `/` out, leaves it ambiguous:
    then the route behind the name wins.
    """
    tail = pattern.rpartition("}")[2] if "{" in pattern else ""
    sent: bytes | None = scope.get("raw_path")
    if not tail.startswith("/") or sent is None:
        return True
    wanted = tail[1:].encode().split(b"/")
    return [unquote_to_bytes(segment) for segment in sent.split(b"/")[-len(wanted) :]] == wanted
