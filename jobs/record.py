"""The result of a job as it lies in Redis: arq's shape plus `m`, as JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from .cancel_note import CancelNote
from .envelope import VERSION, Envelope, came_by_outbox
from .errors import CorruptRecord
from .failure import Failure, clean
from .state import State

#: How long a cancellation can be read even if the kind keeps no results: who asked must learn of it.
CANCELLED_KEPT_MS = 60_000
#: How long the end of a job that came by the outbox is remembered at least: a relay that was killed before it
#: could commit brings it again.
RELAYED_KEPT_MS = 600_000


def kept_for_canceller(result_ms: int) -> int:
    """How long the record of a cancelled job is kept whose kind keeps its results for `result_ms`."""
    return max(result_ms, CANCELLED_KEPT_MS) if result_ms >= 0 else result_ms


def kept_for_relay(result_ms: int, body: bytes | None) -> int:
    """How long the end of the job with this envelope is kept whose kind keeps its results for `result_ms`."""
    if 0 <= result_ms < RELAYED_KEPT_MS and came_by_outbox(body or b""):
        return RELAYED_KEPT_MS
    return result_ms


class Attempt(NamedTuple):
    """Which attempt of which job, and when."""

    job_id: str
    queue: str
    attempt: int
    started_ms: int
    ended_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A decoded result record."""

    state: State
    kind: str
    #: The handler's result as plain data, or what went wrong.
    result: Any
    attempt: int
    enqueued_ms: int
    started_ms: int
    ended_ms: int
    queue: str | None = None
    #: None if it cannot be told.
    arguments: dict[str, Any] | None = None
    tags: tuple[str, ...] = ()


def encode_success(envelope: Envelope, attempt: Attempt, result: bytes) -> bytes:
    """The record of a success; `result` is JSON already."""
    return _encode(envelope, attempt, State.SUCCEEDED, result)


def encode_failure(
    envelope: Envelope,
    attempt: Attempt,
    failure: Failure,
    state: State = State.DEAD,
    note: CancelNote | None = None,
) -> bytes:
    """The record of an end without success; `note` says who cancelled the job, and why."""
    told = {"type": failure.error_type, "message": failure.message, "traceback": failure.traceback}
    told["cause"] = str(failure.cause)
    if note is not None:
        told |= {"by": note.by, "reason": note.reason}
    return _encode(envelope, attempt, state, to_json(told))


def _encode(envelope: Envelope, attempt: Attempt, state: State, result: bytes) -> bytes:
    digest = envelope.digest
    return _RECORD % (
        b"" if digest is None else b'"h":"%b",' % digest.encode(),
        state.encode(),
        b',"g":%b' % to_json(envelope.tags) if "g" in envelope.meta else b"",
        attempt.attempt,
        envelope.members or _members(envelope),
        b"true" if state is State.SUCCEEDED else b"false",
        attempt.started_ms,
        attempt.ended_ms,
        _quoted_queue(attempt.queue),
        _quoted(attempt.job_id),
        result,
    )


#: `m` first and `h` second within it: enqueue.lua looks for the digest there.
_RECORD = (
    b'{"m":{"v":' + str(VERSION).encode() + b',%b"s":"%b"%b},"t":%d,%b,'
    b'"s":%b,"st":%d,"ft":%d,"q":%b,"id":%b,"r":%b}'
)


@lru_cache(maxsize=1000)
def _quoted_queue(queue: str) -> bytes:
    return to_json(queue)


def _quoted(job_id: str) -> bytes:
    try:
        return to_json(job_id)
    except ValueError:  # an id of others may be any bytes
        return to_json(clean(job_id, len(job_id)))


def _members(envelope: Envelope) -> bytes:
    members = {"f": envelope.kind, "a": envelope.args, "k": envelope.kwargs, "et": envelope.enqueued_ms}
    return to_json(members)[1:-1]


#: What stands between the envelope's members and the result.
_BEFORE_RESULT = re.compile(
    rb',"s":(?:true|false),"st":\d+,"ft":\d+,"q":"(?:[^"\\]|\\.)*","id":"(?:[^"\\]|\\.)*","r":'
)


def result_json(record: bytes, envelope: Envelope) -> bytes | None:
    """The JSON of the result in a record of ours, without reading the rest; None if it is in another form."""
    members = envelope.members
    at = record.find(members) if members else -1
    if at >= 0 and (found := _BEFORE_RESULT.match(record, at + len(members))):
        return record[found.end() : -1]
    try:
        return to_json(from_json(record)["r"])
    except (ValueError, TypeError, KeyError):
        return None


def decode_record(data: bytes) -> Record:
    """Read a result record, ours or one of arq's that was written as JSON.

    Raises:
        CorruptRecord: It cannot be read.
    """
    try:
        document = from_json(data)
        success, meta = document["s"], document.get("m") or {}
        state = State(meta.get("s") or (State.SUCCEEDED if success else State.DEAD))
        return Record(
            state=state,
            kind=document["f"],
            result=document["r"],
            attempt=document["t"],
            enqueued_ms=document["et"],
            started_ms=document["st"],
            ended_ms=document["ft"],
            queue=document.get("q"),
            arguments=_arguments(document),
            tags=tuple(tag for tag in meta.get("g", ()) if isinstance(tag, str)),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptRecord(f"the result record cannot be read: {error}") from None


def _arguments(document: dict[str, Any]) -> dict[str, Any] | None:
    """As `arguments_json` has them."""
    by_name, by_position = document.get("k"), document.get("a")
    if not isinstance(by_name, dict) or not isinstance(by_position, list):
        return None
    return {**by_name, "*": by_position} if by_position else by_name
