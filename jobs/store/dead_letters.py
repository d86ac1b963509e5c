"""The dead letters: read them, give them another chance, or forget them.

What lies there may be anything: dead letters are where unreadable jobs end.  So reading never raises over a
record; a letter that cannot be read says why, and keeps its bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..envelope import Envelope, decode
from ..errors import CorruptRecord, StoreRefused
from ..failure import Cause, Failure, as_document, decode_failure
from ..priority import Priority
from .execute import Transport, execute
from .keys import CORRUPT, DEAD_LETTER, FAILURES, QueueKeys, queue_keys
from .queues import known_queues
from .verbs import BATCH, Letter, discard, replay

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One dead job, with all that went wrong."""

    job_id: str
    queue: str
    died_at: datetime
    #: None if the letter cannot be read; so are the fields below.
    kind: str | None = None
    priority: Priority = Priority.NORMAL
    enqueued_at: datetime | None = None
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    #: Oldest first; interruptions and earlier replays are among them.
    attempts: list[Failure] = field(default_factory=list)
    #: Why it cannot be read, and what lies there instead.
    fault: str | None = None
    raw: bytes | None = None
    #: What lay at other keys of the job and could not be used, by the keys' names.
    set_aside: dict[str, bytes] = field(default_factory=dict)

    @property
    def failures(self) -> Sequence[Failure]:
        """The attempts without the marks of earlier replays."""
        return [failure for failure in self.attempts if failure.cause is not Cause.REPLAY]

    def as_document(self) -> dict[str, Any]:
        """The letter as plain data, for `--json` and the API."""
        return {
            "job_id": self.job_id,
            "queue": self.queue,
            "kind": self.kind,
            "priority": str(self.priority),
            "died_at": self.died_at.isoformat(),
            "enqueued_at": self.enqueued_at.isoformat() if self.enqueued_at else None,
            "args": self.args,
            "kwargs": self.kwargs,
            "attempts": [as_document(failure) for failure in self.attempts],
            "fault": self.fault,
            "raw": _shown(self.raw) if self.raw is not None else None,
            "set_aside": {name: _shown(found) for name, found in self.set_aside.items()},
        }


@dataclass(frozen=True, slots=True)
class _Head:
    """A letter without its attempts."""

    queue: QueueKeys
    job_id: str
    died_ms: int
    body: bytes | None
    envelope: Envelope | None
    fault: str | None

    @property
    def kind(self) -> str | None:
        return self.envelope.kind if self.envelope is not None else None

    @property
    def priority(self) -> Priority:
        return self.envelope.priority if self.envelope is not None else Priority.NORMAL


class DeadLetters:
    """The dead letters of all queues behind one connection.

    Args:
        tagged: As the setting `hash_tags`.
        actor: Who replays, for the record that a replay leaves: `ann@host`.
    """

    def __init__(self, transport: Transport, *, tagged: bool = False, actor: str = "") -> None:
        self._transport = transport
        self._tagged = tagged
        self._actor = actor

    async def count(self, queue: str | None = None) -> int:
        """How many there are."""
        queues = await self._queues(queue)
        return sum(await asyncio.gather(*(self._transport.call("ZCARD", keys.dead) for keys in queues)))

    async def list(
        self,
        queue: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        before: datetime | None = None,
    ) -> Sequence[DeadLetter]:
        """The newest first.

        Args:
            queue: Only of this queue.
            kind: Only of this kind; unreadable letters have none.
            limit: At most this many.
            before: Only those that died earlier: the `died_at` of the last letter turns the page.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        heads: list[_Head] = []
        for keys in await self._queues(queue):
            heads += await self._newest(keys, kind, limit, before)
        heads.sort(key=lambda head: (head.died_ms, head.job_id), reverse=True)
        return [await self._load(head) for head in heads[:limit]]

    async def show(self, job_id: str) -> DeadLetter | None:
        """One letter, or None if there is none of this id."""
        for keys in await self._queues(None):
            if (died := await self._transport.call("ZSCORE", keys.dead, job_id)) is not None:
                [head] = await self._heads(keys, [(job_id, int(float(died)))])
                return await self._load(head)
        return None

    async def replay(self, job_ids: Sequence[str], on_progress: Progress | None = None) -> Sequence[bool]:
        """Give letters a fresh budget of attempts; per id whether there was one.

        Raises:
            StoreFull: Redis has no room; the letters stay.
            StoreUnavailable: Redis did not answer.  Repeat it: what was replayed is no dead letter any more.
        """
        return await self._each(job_ids, self._replay, on_progress)

    async def discard(self, job_ids: Sequence[str], on_progress: Progress | None = None) -> Sequence[bool]:
        """Forget letters for good; per id whether there was one."""
        return await self._each(job_ids, self._discard, on_progress)

    async def replay_all(
        self, queue: str | None = None, kind: str | None = None, on_progress: Progress | None = None
    ) -> int:
        """Replay all that are dead at this moment, in batches; how many.

        A job that dies again meanwhile is not replayed twice.
        """
        seconds, microseconds = await self._transport.call("TIME")
        until_ms = int(seconds) * 1000 + int(microseconds) // 1000
        replayed = 0
        for keys in await self._queues(queue):
            async for page in self._scan(keys):
                heads = await self._heads(keys, [(job_id, died) for job_id, died in page if died <= until_ms])
                replayed += sum(
                    await self._replay(keys, [head for head in heads if kind in (None, head.kind)])
                )
                if on_progress is not None:
                    on_progress(replayed)
        return replayed

    # --- finding

    async def _queues(self, name: str | None) -> Sequence[QueueKeys]:
        known = await known_queues(self._transport, tagged=self._tagged)
        if name is None:
            return known
        return [keys for keys in known if keys.name == name] or [queue_keys(name, tagged=self._tagged)]

    async def _newest(
        self, keys: QueueKeys, kind: str | None, limit: int, before: datetime | None
    ) -> Sequence[_Head]:
        start = 0
        if before is not None:
            start = await self._transport.call("ZCOUNT", keys.dead, round(before.timestamp() * 1000), "+inf")
        found: list[_Head] = []
        while len(found) < limit:
            page = await self._transport.call(
                "ZRANGE", keys.dead, start, start + BATCH - 1, "REV", "WITHSCORES"
            )
            if not page:
                break
            found += [head for head in await self._heads(keys, _scored(page)) if kind in (None, head.kind)]
            start += BATCH
        return found[:limit]

    async def _scan(self, keys: QueueKeys) -> AsyncIterator[Sequence[tuple[str, int]]]:
        """Every letter that is there from beginning to end, in batches, oldest first within each."""
        cursor: bytes | int = 0
        while True:
            cursor, page = await self._transport.call("ZSCAN", keys.dead, cursor, "COUNT", BATCH)
            found = sorted(_scored(page), key=lambda one: one[1])
            for at in range(0, len(found), BATCH):
                yield found[at : at + BATCH]
            if int(cursor) == 0:
                return

    async def _heads(self, keys: QueueKeys, found: Sequence[tuple[str, int]]) -> Sequence[_Head]:
        if not found:
            return []
        bodies = await self._transport.call("MGET", *(DEAD_LETTER + job_id for job_id, _ in found))
        return [
            await self._odd_head(keys, job_id, died) if body is None else _head(keys, job_id, died, body)
            for (job_id, died), body in zip(found, bodies, strict=True)
        ]

    async def _odd_head(self, keys: QueueKeys, job_id: str, died_ms: int) -> _Head:
        """Of a letter whose envelope is gone, or no string."""
        found = await self._transport.call("DUMP", DEAD_LETTER + job_id)
        fault = (
            "its envelope is gone" if found is None else "its envelope is no string (raw: as DUMP tells it)"
        )
        return _Head(keys, job_id, died_ms, found, None, fault)

    async def _set_aside(self, job_id: str) -> dict[str, bytes]:
        try:
            flat = await self._transport.call("HGETALL", CORRUPT + job_id)
        except StoreRefused:  # a key of another type
            return {}
        names = (name.decode("utf-8", "backslashreplace") for name in flat[::2])
        return dict(zip(names, flat[1::2], strict=True))

    async def _load(self, head: _Head) -> DeadLetter:
        try:
            records = await self._transport.call("LRANGE", FAILURES + head.job_id, 0, -1)
        except StoreRefused as error:  # a key of another type
            records, attempts = [], [_unreadable(str(error))]
        else:
            attempts = [_failure(record) for record in records]
        envelope = head.envelope
        return DeadLetter(
            job_id=head.job_id,
            queue=head.queue.name,
            died_at=_moment(head.died_ms) or datetime.fromtimestamp(0, UTC),
            kind=head.kind,
            priority=head.priority,
            enqueued_at=_moment(envelope.enqueued_ms) if envelope else None,
            args=envelope.args if envelope else [],
            kwargs=envelope.kwargs if envelope else {},
            attempts=attempts,
            fault=head.fault,
            raw=head.body if envelope is None else None,
            set_aside=await self._set_aside(head.job_id),
        )

    # --- moving

    async def _each(
        self,
        job_ids: Sequence[str],
        act: Callable[[QueueKeys, Sequence[_Head]], Awaitable[Sequence[bool]]],
        on_progress: Progress | None,
    ) -> Sequence[bool]:
        done: set[str] = set()
        queues = await self._queues(None)
        for at in range(0, len(job_ids), BATCH):
            batch = list(dict.fromkeys(job_ids[at : at + BATCH]))
            for keys in queues:
                scores = await self._transport.call("ZMSCORE", keys.dead, *batch)
                found = [
                    (one, int(float(died)))
                    for one, died in zip(batch, scores, strict=True)
                    if died is not None
                ]
                heads = await self._heads(keys, found)
                flags = await act(keys, heads)
                done.update(head.job_id for head, flag in zip(heads, flags, strict=True) if flag)
            if on_progress is not None:
                on_progress(len(done))
        return [job_id in done for job_id in job_ids]

    async def _replay(self, keys: QueueKeys, heads: Sequence[_Head]) -> Sequence[bool]:
        if not heads:
            return []
        letters = [Letter(head.job_id, head.priority, self._mark()) for head in heads]
        return await execute(self._transport, replay(keys, letters))

    async def _discard(self, keys: QueueKeys, heads: Sequence[_Head]) -> Sequence[bool]:
        if not heads:
            return []
        await execute(self._transport, discard(keys, [head.job_id for head in heads]))
        return [True] * len(heads)  # also where only the entry in the list was left

    def _mark(self) -> Failure:
        now_ms = time.time_ns() // 1_000_000
        return Failure(
            spent=0,
            crashes=0,
            cause=Cause.REPLAY,
            fence=0,
            worker="",
            started_ms=now_ms,
            ended_ms=now_ms,
            message=f"replayed by {self._actor}" if self._actor else "replayed",
        )


def _scored(reply: Sequence[bytes]) -> list[tuple[str, int]]:
    pairs = zip(reply[::2], reply[1::2], strict=True)
    return [(job_id.decode("utf-8", "backslashreplace"), int(float(score))) for job_id, score in pairs]


def _shown(found: bytes) -> str:
    return found.decode("utf-8", "backslashreplace")


def _head(keys: QueueKeys, job_id: str, died_ms: int, body: bytes) -> _Head:
    try:
        envelope = decode(body)
        envelope.priority  # noqa: B018 - of a type that is no name, it cannot be read either
    except (CorruptRecord, TypeError) as error:
        fault = str(error) if body else "its envelope is gone"
        return _Head(keys, job_id, died_ms, body, None, fault)
    return _Head(keys, job_id, died_ms, body, envelope, None)


def _failure(record: bytes) -> Failure:
    try:
        return decode_failure(record)
    except CorruptRecord as error:
        return _unreadable(str(error))


def _unreadable(why: str) -> Failure:
    return Failure(spent=0, crashes=0, cause=Cause.CORRUPTION, fence=0, worker="", message=why)


def _moment(ms: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a number, but no time
        return None
