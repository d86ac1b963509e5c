"""All that Redis knows of one job in one queue, read at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from pydantic_core import from_json, to_json

from ..envelope import Envelope, decode
from ..errors import CorruptRecord
from ..failure import Cause, Failure, decode_failure
from ..priority import PRIORITIES, Priority
from ..record import Record, decode_record
from ..redaction import HIDDEN
from ..state import State
from .keys import QueueKeys
from .pauses import Pause, read_pauses
from .request import Request, rank_keys, request
from .verbs import milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """One job in one queue.  Times are ms of the server's clock; None stands for what is not there."""

    queue: str
    now_ms: int
    #: Where and when it is visible in its queue; None if it stands not in this one.
    priority: Priority | None
    visible_at_ms: int | None
    #: It is due, but its kind is paused.
    is_parked: bool
    lease_end_ms: int | None
    died_ms: int | None
    abort_ms: int | None
    fence: str | None
    starts: int
    failure: Failure | None
    #: The envelope, or that of its dead letter.
    body: bytes | None
    is_letter: bool
    result: bytes | None
    #: How long the result is kept; -1 for ever.
    result_ms: int
    #: What is paused in the queue now.
    pauses: Sequence[Pause]
    #: Due jobs that a claim would take before this one, by priority; None if it is not due.
    ahead: dict[Priority, int] | None

    @property
    def is_here(self) -> bool:
        """Whether this is the queue that it waits, runs or lies dead in."""
        return self.priority is not None or (self.died_ms is not None and self.is_letter)

    @property
    def is_due(self) -> bool:
        return self.visible_at_ms is not None and self.visible_at_ms <= self.now_ms

    @property
    def is_arqs(self) -> bool:
        """Whether one of arq's own workers runs it: their fences name no owner, and they leave the score."""
        return self.fence is not None and ":" not in self.fence

    def without_words(self) -> Examined:
        """The same for those who may not read what errors say."""
        failure = self.failure and replace(self.failure, message=HIDDEN, traceback=HIDDEN)
        return replace(self, failure=failure, result=self.result and _wordless(self.result))

    @property
    def state(self) -> State | None:
        """Where it stands; None if this queue does not know."""
        if self.is_letter:
            return State.DEAD
        if self.priority is None:
            return None
        if self.fence is not None and (self.is_arqs or not self.is_due or self._is_leased):
            return State.RUNNING
        if self.is_due:
            return State.READY
        return State.SCHEDULED if self.failure is None else State.RETRYING

    @property
    def _is_leased(self) -> bool:
        """Also if arq's `abort()` has moved its score."""
        return self.lease_end_ms is not None and self.lease_end_ms > self.now_ms

    @property
    def worker(self) -> str | None:
        """Whose fence it is."""
        return None if self.fence is None or self.is_arqs else self.fence.rpartition(":")[0]

    @property
    def lost_worker(self) -> str | None:
        """Whose lease of it has run out."""
        return self.worker if self.state is State.READY else None

    def envelope(self) -> Envelope | None:
        """None if there is none, or if it cannot be read."""
        try:
            return decode(self.body or b"")
        except CorruptRecord:
            return None

    def record(self) -> Record | None:
        """How it ended; None if that is not recorded, or cannot be read."""
        try:
            return decode_record(self.result or b"")
        except CorruptRecord:
            return None


def examine(queue: QueueKeys, job_id: str, ageing: timedelta) -> Request[Examined]:
    """Look at a job from all sides; nothing is changed."""
    return request(
        "examine",
        lambda reply: _read(queue.name, reply),
        **rank_keys(queue),
        running=queue.running,
        dead=queue.dead,
        abort=queue.abort,
        pause=queue.pause,
        id=job_id,
        ageing_ms=milliseconds(ageing),
    )


def _read(queue: str, reply: Sequence[Any]) -> Examined:
    now, rank, visible_at, parked, lease_end, died, abort, fence, starts, failure = reply[:10]
    envelope, letter, result, result_ms, pauses, ahead = reply[10:]
    return Examined(
        queue=queue,
        now_ms=now,
        priority=None if rank is None else PRIORITIES[rank],
        visible_at_ms=_ms(visible_at),
        is_parked=parked == 1,
        lease_end_ms=_ms(lease_end),
        died_ms=_ms(died),
        abort_ms=_ms(abort),
        fence=None if fence is None else fence.decode("utf-8", "replace"),
        starts=int(starts) if (starts or b"").isdigit() else 0,
        failure=None if failure is None else _failure(failure),
        body=envelope if letter is None else letter,
        is_letter=letter is not None,
        result=result,
        result_ms=result_ms,
        pauses=read_pauses(queue, pauses or [], now),
        ahead=None if ahead is None else dict(zip(PRIORITIES, ahead, strict=True)),
    )


def _wordless(result: bytes) -> bytes:
    try:
        document = from_json(result)
        if isinstance(document["r"], dict):
            document["r"] |= {"message": HIDDEN, "traceback": HIDDEN}
        return to_json(document)
    except (ValueError, TypeError, KeyError):
        return result


def _ms(score: bytes | None) -> int | None:
    return None if score is None else int(float(score))


def _failure(record: bytes) -> Failure:
    try:
        return decode_failure(record)
    except CorruptRecord as error:
        return Failure(spent=0, crashes=0, cause=Cause.CORRUPTION, fence=0, worker="", message=str(error))
