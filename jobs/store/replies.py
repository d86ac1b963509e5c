"""What an error reply of Redis means for us."""

from __future__ import annotations

from typing import Any, cast

import hiredis

from ..errors import StoreError, StoreFull, StoreRefused, StoreUnavailable

#: The server cannot answer now, but will: the same call may be repeated.
_PASSING = frozenset(
    {"LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "NOREPLICAS", "UNKILLABLE"}
)

#: There is no room; reading and settling still work.
_FULL = frozenset({"OOM", "MISCONF"})


class ScriptMissing(StoreError):
    """The server does not know the script (any more); send its source."""


def error_of(reply: hiredis.ReplyError) -> StoreError:
    """The exception for an error reply."""
    text = str(reply)
    word = text.partition(" ")[0]
    if word == "NOSCRIPT":
        return ScriptMissing(text)
    if word in _PASSING:
        return StoreUnavailable(f"Redis cannot answer now: {text}")
    if word in _FULL:
        return StoreFull(f"Redis is full: {text}")
    return StoreRefused(f"Redis refused: {text}")


def is_about_what_lies_there(error: StoreRefused) -> bool:
    """Whether Redis refused for what lies at the keys of a command, and not for who we are.

    Another command may then still do its work.
    """
    text = str(error)
    return "ACL failure" not in text and ("WRONGTYPE" in text or "user_script" in text)


def packed(command: tuple[Any, ...]) -> bytes:
    """A command as it goes over the wire; ids that are no UTF-8 (of `surrogateescape`) as they came."""
    try:
        return cast(bytes, hiredis.pack_command(command))
    except UnicodeEncodeError:
        raw: tuple[Any, ...] = tuple(
            part.encode(errors="surrogateescape") if isinstance(part, str) else part for part in command
        )
        return cast(bytes, hiredis.pack_command(raw))


def checked(reply: Any) -> Any:
    """The reply, raised if it is an error."""
    if isinstance(reply, hiredis.ReplyError):
        raise error_of(reply)
    return reply
