"""Pauses of queues and of kinds: begin one, end it, list them.

A paused queue gives no jobs.  Due jobs of a paused kind are put aside by the claims that meet them, and come
back with the resume, or when the pause's time is over.  A pause lies in Redis: it outlives workers and their
restarts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from ..actor import this_actor
from ..errors import DefinitionError, StoreRefused
from ..failure import clean
from ..identity import check_name
from .clock import moment_of, server_ms
from .execute import Transport, execute
from .keys import QueueKeys, queue_keys
from .queues import known_queues
from .request import Request, rank_keys, request
from .verbs import milliseconds

#: Jobs that one call of a resume brings back: a script stops the server for all others while it runs.
BROUGHT_BACK_AT_ONCE = 500
_MAX_WORDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """What is paused, by whom and why, and until when."""

    queue: str
    #: None: the whole queue.
    kind: str | None
    by: str
    why: str
    at: datetime
    #: None: until somebody resumes it.
    until: datetime | None
    #: Jobs that ran when it began were handed back, instead of finishing.
    now: bool

    def covers(self, kind: str | None) -> bool:
        """Whether jobs of this kind are held up by it; None stands for a kind that nobody knows."""
        return self.kind is None or self.kind == kind

    def as_document(self) -> dict[str, Any]:
        """The pause as plain data, for `--json` and the API."""
        return {
            "queue": self.queue,
            "kind": self.kind,
            "by": self.by,
            "why": self.why,
            "at": self.at.isoformat(),
            "until": self.until.isoformat() if self.until else None,
            "now": self.now,
        }


class Pauses:
    """The pauses of all queues behind one connection; `producer.pauses` is one.

        await producer.pauses.pause("mail", why="the mail server moves", until=timedelta(hours=1))
        await producer.pauses.resume("mail")

    Args:
        tagged: As the setting `hash_tags`.
    """

    def __init__(self, transport: Transport, *, tagged: bool = False) -> None:
        self._transport = transport
        self._tagged = tagged

    async def list(self, queue: str | None = None) -> Sequence[Pause]:
        """What is paused now, by queue; the whole queue before its kinds.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        found: list[Pause] = []
        for keys in await self._queues(queue):
            found += await pauses_of(self._transport, keys)
        return found

    async def pause(
        self,
        queue: str | None = None,
        *,
        kind: str | None = None,
        why: str,
        until: datetime | timedelta | None = None,
        now: bool = False,
        by: str | None = None,
    ) -> Sequence[Pause]:
        """Let nothing more of a queue, or of a kind, be started.  A pause that is there already is replaced.

        Args:
            queue: The queue; with `kind` None means every queue that exists.
            kind: Only jobs of this kind.
            why: For those who wonder.
            until: When it is over by itself: an aware time, or a span from now; None: with its resume.
            now: Hand running jobs back, too; no attempt of theirs is spent.  Else they finish.
            by: Who; by default this process's user and host.

        Returns:
            The pauses: one per queue.

        Raises:
            DefinitionError: An option cannot be used; it names the option.
            StoreUnavailable: Redis did not answer.  Repeat it.
        """
        _check(queue, kind, why, until)
        told = {
            "by": clean(by or this_actor(), _MAX_WORDS),
            "why": clean(why.strip(), _MAX_WORDS),
            "now": now,
        }
        paused = []
        for keys in await self._queues(queue):
            written = await execute(self._transport, pause_request(keys, kind or "", until, told))
            if written is None:
                raise DefinitionError(f"until: {until} is over, by the clock of the server")
            paused.append(written)
        return paused

    async def resume(self, queue: str | None = None, *, kind: str | None = None) -> Sequence[Pause]:
        """End a pause: what was held up may be claimed at once, each job at its old place.

        Args:
            queue: The queue; with `kind` None means every queue in which it is paused.
            kind: Only the pause of this kind.

        Returns:
            The pauses that were ended; none if there was none.

        Raises:
            DefinitionError: Neither a queue nor a kind is named.
            StoreUnavailable: Redis did not answer.  Repeat it.
        """
        _check(queue, kind, "resumed", None)
        ended = []
        for keys in await self._queues(queue):
            pause, left = await execute(self._transport, resume_request(keys, kind or ""))
            while left:
                _, left = await execute(self._transport, resume_request(keys, kind or ""))
            if pause is not None:
                ended.append(pause)
        return ended

    async def _queues(self, name: str | None) -> Sequence[QueueKeys]:
        known = await known_queues(self._transport, tagged=self._tagged)
        if name is None:
            return known
        return [keys for keys in known if keys.name == name] or [queue_keys(name, tagged=self._tagged)]


async def pauses_of(transport: Transport, queue: QueueKeys) -> list[Pause]:
    """What is paused now in one queue; the whole queue before its kinds."""
    try:
        flat = await transport.call("HGETALL", queue.pause)
    except StoreRefused:  # no hash: no claim takes it for a pause
        return []
    return read_pauses(queue.name, flat, await server_ms(transport)) if flat else []


def read_pauses(queue: str, flat: Sequence[bytes], now_ms: int) -> list[Pause]:
    """From the hash of a queue's pauses, without those whose time is over."""
    pairs = sorted(zip(flat[::2], flat[1::2], strict=True))
    found = [_read(queue, kind.decode("utf-8", "replace"), record) for kind, record in pairs]
    return [pause for pause in found if pause.until is None or pause.until > moment_of(now_ms)]


def _read(queue: str, kind: str, record: bytes) -> Pause:
    try:
        told = from_json(record)
        ends = told["until_ms"]
        return Pause(
            queue=queue,
            kind=kind or None,
            by=str(told["by"]),
            why=str(told["why"]),
            at=moment_of(told["at_ms"]),
            until=None if ends is None else moment_of(ends),
            now=bool(told["now"]),
        )
    except (ValueError, TypeError, KeyError):
        # whatever lies there holds jobs up, and somebody will want to know
        why = clean(f"unreadable: {record.decode('utf-8', 'backslashreplace')}", _MAX_WORDS)
        return Pause(queue=queue, kind=kind or None, by="?", why=why, at=moment_of(0), until=None, now=False)


def _check(queue: str | None, kind: str | None, why: str, until: datetime | timedelta | None) -> None:
    if queue is None and kind is None:
        raise DefinitionError("queue: name a queue, or a kind, or both")
    if kind is not None:
        check_name("kind", kind)
    if not why.strip():
        raise DefinitionError("why: say why; those who wonder will read it")
    if isinstance(until, datetime) and until.tzinfo is None:
        raise DefinitionError(f"until: {until.isoformat()} has no time zone; write {until.isoformat()}+00:00")


def pause_request(
    keys: QueueKeys, kind: str, until: datetime | timedelta | None, told: dict[str, Any]
) -> Request[Pause | None]:
    """Begin one pause, of a kind or (if that is empty) of the queue; None if `until` is over already."""
    return request(
        "pause",
        lambda reply: None if reply is None else _read(keys.name, kind, reply),
        pause=keys.pause,
        wake=keys.wake,
        kind=kind,
        until=_end(until),
        told=to_json(told).removeprefix(b"{"),
    )


def _end(until: datetime | timedelta | None) -> str:
    if until is None:
        return ""
    if isinstance(until, timedelta):
        return f"+{milliseconds(until)}"
    return str(round(until.timestamp() * 1000))


def resume_request(
    keys: QueueKeys, kind: str, limit: int = BROUGHT_BACK_AT_ONCE
) -> Request[tuple[Pause | None, int]]:
    """End one pause; the pause, and how many jobs are still put aside: then repeat it."""

    def read(reply: Sequence[Any]) -> tuple[Pause | None, int]:
        return None if reply[0] is None else _read(keys.name, kind, reply[0]), reply[1]

    return request(
        "resume",
        read,
        **rank_keys(keys),
        pause=keys.pause,
        wake=keys.wake,
        kind=kind,
        limit=limit,
    )
