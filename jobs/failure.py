"""What went wrong with one attempt, as it is kept with the job until it has succeeded."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pydantic_core import from_json, to_json

from .errors import CorruptRecord

#: Enough for the frames that matter; an error text of a megabyte helps nobody.
MAX_MESSAGE_CHARS = 2_000
MAX_TRACEBACK_CHARS = 16_000


class Cause(StrEnum):
    """Why an attempt ended without success.  Only errors and timeouts spend an attempt."""

    ERROR = "error"  #: the handler raised
    TIMEOUT = "timeout"  #: it ran longer than it may, or past the job's own deadline
    INTERRUPTION = "interruption"  #: the worker was told to stop
    CRASH = "crash"  #: the worker died, or lost its lease
    CANCELLATION = "cancellation"  #: somebody wanted the job to end
    CORRUPTION = "corruption"  #: the record in the store could not be read
    REPLAY = "replay"  #: no failure: marks where a dead letter was given a fresh budget

    @property
    def spends_attempt(self) -> bool:
        return self in (Cause.ERROR, Cause.TIMEOUT)


_CAUSES = {str(cause): cause for cause in Cause}  # a look-up costs a fifth of `Cause(name)`


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One attempt that did not succeed.

    The first three come first in the JSON: the claim script reads them there, without parsing the rest.
    """

    #: Attempts spent so far, this one included.
    spent: int
    #: Times that the job, alone in a process of its own, was that process's end; this one included.
    crashes: int
    #: Times that a worker was lost while it ran this job beside others, since the job was last seen not to be
    #: the cause: a suspicion, no more.
    lapses: int = 0
    cause: Cause
    #: Starts so far.
    fence: int
    worker: str
    #: Start and end of the attempt, ms since the epoch by the worker's clock; 0 where nobody knows.
    started_ms: int = 0
    ended_ms: int = 0
    error_type: str = ""
    message: str = ""
    traceback: str = ""

    def encode(self) -> bytes:
        """JSON, in the order of the fields."""
        return to_json(asdict(self))


def decode_failure(record: bytes) -> Failure:
    """Read a failure record.

    Raises:
        CorruptRecord: It cannot be read.
    """
    try:
        document = from_json(record)
        document["cause"] = _CAUSES[document["cause"]]
        return Failure(**document)
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptRecord(f"a failure record cannot be read: {error}") from None


def describe(error: BaseException) -> dict[str, str]:
    """Type, message and traceback of an exception, bounded, and safe against a `__str__` that raises."""
    return {
        "error_type": clean(type(error).__name__, MAX_MESSAGE_CHARS),
        "message": clean(_text(error), MAX_MESSAGE_CHARS),
        "traceback": clean(_traceback_text(error), MAX_TRACEBACK_CHARS),
    }


def clean(text: str, limit: int) -> str:
    """At most `limit` characters, the middle cut out, without what JSON and PostgreSQL refuse."""
    if len(text) > limit:
        half = limit // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters cut …\n{text[-half:]}"
    return text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # a handler's exception class may be broken itself
        return f"<unprintable: __str__ raised {type(broken).__name__}>"


def _traceback_text(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as broken:  # see _text
        frames = "".join(traceback.format_tb(error.__traceback__))
        return f"{frames}<unprintable: {type(broken).__name__}>"


def as_document(failure: Failure) -> dict[str, Any]:
    """The failure as plain data, for `--json` and the API."""
    return {**asdict(failure), "cause": str(failure.cause)}
