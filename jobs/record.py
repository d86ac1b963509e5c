"""The result of a job as it lies in Redis: arq's shape plus `m`, as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from .envelope import VERSION, Envelope
from .errors import CorruptRecord
from .failure import Failure
from .state import State


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


def encode_success(envelope: Envelope, attempt: Attempt, result: bytes) -> bytes:
    """The record of a success; `result` is JSON already."""
    return _encode(envelope, attempt, State.SUCCEEDED, result)


def encode_failure(
    envelope: Envelope, attempt: Attempt, failure: Failure, state: State = State.DEAD
) -> bytes:
    """The record of an end without success."""
    told = {"type": failure.error_type, "message": failure.message, "traceback": failure.traceback}
    return _encode(envelope, attempt, state, to_json(told))


def _encode(envelope: Envelope, attempt: Attempt, state: State, result: bytes) -> bytes:
    # `m` first and `h` second within it: enqueue.lua looks for the digest there
    meta: dict[str, Any] = {"v": VERSION}
    if digest := envelope.digest:
        meta["h"] = digest
    meta["s"] = state
    document = {
        "m": meta,
        "t": attempt.attempt,
        "f": envelope.kind,
        "a": envelope.args,
        "k": envelope.kwargs,
        "et": envelope.enqueued_ms,
        "s": state is State.SUCCEEDED,
        "st": attempt.started_ms,
        "ft": attempt.ended_ms,
        "q": attempt.queue,
        "id": attempt.job_id,
    }
    return b'%b,"r":%b}' % (to_json(document)[:-1], result)


def decode_record(data: bytes) -> Record:
    """Read a result record, ours or one of arq's that was written as JSON.

    Raises:
        CorruptRecord: It cannot be read.
    """
    try:
        document = from_json(data)
        success = document["s"]
        state = State((document.get("m") or {}).get("s") or (State.SUCCEEDED if success else State.DEAD))
        return Record(
            state=state,
            kind=document["f"],
            result=document["r"],
            attempt=document["t"],
            enqueued_ms=document["et"],
            started_ms=document["st"],
            ended_ms=document["ft"],
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CorruptRecord(f"the result record cannot be read: {error}") from None
