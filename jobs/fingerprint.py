"""Which failures are the same bug: error type, message without what varies, and the app's own top frame.

A guess, made for people: two bugs may share a fingerprint, and one bug may have two.  It is computed from the
stored failure whenever it is asked for, so that a better guess needs no migration.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from .failure import Failure

#: What a fingerprint looks like.
FINGERPRINT = re.compile("[0-9a-f]{16}")

# Each pattern can begin at few places of a text only (the look-behinds see to that), or a hostile message of
# 2,000 characters could cost seconds.  Those that need a rare character are asked only if it is there: one
# pattern for all takes twice the time.
_URL = re.compile(
    r"(?<![a-z0-9+.-])([a-z][a-z0-9+.-]{0,15}://)(?:[^\s/@'\"]*@)?([^\s/?#'\"<>]*)[^\s'\"<>]*", re.I
)
_QUOTED = re.compile(r"""(?<!\w)b?(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)(?!\w)""")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_NUMBER = r"[^\W\d]*\d\w*"
_HEX = "[0-9a-fA-F]"
_VARIES = re.compile(
    rf"\b(?:{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\b"  # UUIDs
    rf"|{_NUMBER}(?:[.,:+-]{{1,2}}{_NUMBER})*"  # numbers, times, addresses, ids
    rf"|{_HEX}{{8,}}\b"  # digests without a digit
    r"|tmp\w{8}\b)"  # names made by tempfile
)
_FOLDERS = re.compile(r"(?<![\w/\\.~-])(?:~|\.{1,2}|[a-z]:)?[/\\](?:[^\s/\\'\",;:()]+[/\\])+", re.IGNORECASE)
#: A list of five is as good as one of three; brackets and signs about it say nothing either.
_RUN = re.compile(r"(?:(?<=\w)|^)\W*#\W*")
_MARK = "#"


class Frame(NamedTuple):
    """Where something was raised.  No line number: it moves with every edit of the file."""

    file: str
    function: str


def fingerprint(failure: Failure) -> str:
    """16 hex digits: the same for failures that look like the same bug."""
    # as text, since what lies in the store may be anything
    return _digest(str(failure.error_type or failure.cause), str(failure.message), str(failure.traceback))


def normalised(message: str) -> str:
    """The message with all that varies between two victims of one bug taken out."""
    if "://" in message:
        message = _URL.sub(rf"\1\2 {_MARK}", message)
    if "'" in message or '"' in message or "`" in message:
        message = _QUOTED.sub(_MARK, message)
    if "@" in message:
        message = _MAIL.sub(_MARK, message)
    message = _VARIES.sub(_MARK, message)
    if "/" in message or "\\" in message:
        message = _FOLDERS.sub(_MARK, message)
    return _RUN.sub(f" {_MARK} ", message).strip() if _MARK in message else message.strip()


def top_frame(traceback: str) -> Frame | None:
    """The last frame in the app's own code, or the last one at all; None if the text holds no frame."""
    last = None
    for path, function in _frames_backwards(traceback):
        frame = Frame(path.replace("\\", "/").rpartition("/")[2], function)
        if _is_of_app(path):
            return frame
        last = last or frame
    return last


@lru_cache(maxsize=4096)  # dead letters come in herds
def _digest(error_type: str, message: str, traceback: str) -> str:
    frame = top_frame(traceback)
    parts = (error_type, normalised(message), *(frame or ()))
    return blake2b("\0".join(parts).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()


_FRAME_BEGINS = 'File "'
_FRAME = re.compile(r'File "([^"\n]+)", line \d+, in (\S+)')
#: What may stand before a frame in its line: those of an exception group are drawn as a tree.
_TREE = " |+"


def _frames_backwards(traceback: str) -> Iterator[tuple[str, str]]:
    """From the end, since the frame that is looked for is nearly always one of the last."""
    at = len(traceback)
    while (at := traceback.rfind(_FRAME_BEGINS, 0, at)) >= 0:
        line = traceback.rfind("\n", 0, at) + 1
        frame = _FRAME.match(traceback, at)
        if frame is not None and not traceback[line:at].strip(_TREE):
            yield frame[1], frame[2]


#: Of others: installed packages, the standard library, code without a file, and Monarq itself.
_FOREIGN = re.compile(
    r"[/\\](?:site|dist)-packages[/\\]|[/\\]lib(?:64)?[/\\]python\d|^<"
    r"|[/\\]python3\d*[/\\]lib[/\\]|[/\\]monarq[/\\](?:jobs|producer|worker|dashboard)[/\\]",
    re.IGNORECASE,
)
#: The shipped kinds are handlers like any other.
_SHIPPED = re.compile(r"[/\\]monarq[/\\]jobs[/\\]catalog[/\\]")


def _is_of_app(path: str) -> bool:
    return _FOREIGN.search(path) is None or _SHIPPED.search(path) is not None
