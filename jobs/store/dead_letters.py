"""The dead letters: read them, sort them by bug, give them another chance, or forget them.

`replaying.py` replays many of them at a pace.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json

from ..envelope import encode_body
from ..errors import CorruptRecord, InvalidArguments, PayloadTooLarge, StoreRefused
from ..failure import Cause, Failure
from ..handler import Call
from .dead_letter import DeadLetter, LetterHead, read_failure, unreadable
from .execute import Transport, execute
from .keys import CORRUPT, DEAD_LETTER, FAILURES
from .letter_filter import LetterFilter
from .letter_groups import LetterGroup, Survey
from .letter_scan import LetterScan, Progress
from .letter_verbs import Letter, discard, replay
from .verbs import BATCH

EVERY_LETTER = LetterFilter()

#: Which letters: by id, or by what they are.
Selection = LetterFilter | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who replays, and from where: what the mark in a letter's record will say."""

    #: `ann@web-1`.
    actor: str = ""
    #: `the command line`, say.
    place: str = ""

    def mark(self, remark: str = "") -> Failure:
        """The record that begins a fresh budget of attempts."""
        now_ms = time.time_ns() // 1_000_000
        by = f" by {self.actor}" if self.actor else ""
        place = f" from {self.place}" if self.place else ""
        return Failure(
            spent=0,
            crashes=0,
            cause=Cause.REPLAY,
            fence=0,
            worker=self.actor,
            started_ms=now_ms,
            ended_ms=now_ms,
            message=f"replayed{by}{place}{remark}",
        )


class DeadLetters:
    """The dead letters of all queues behind one connection.

    Args:
        tagged: As the setting `hash_tags`.
        origin: Who replays, for the record that a replay leaves.
    """

    def __init__(self, transport: Transport, *, tagged: bool = False, origin: Origin = Origin()) -> None:
        self._transport = transport
        self._origin = origin
        self.scan = LetterScan(transport, tagged=tagged)

    # --- reading

    async def count(self, queue: str | None = None) -> int:
        """How many there are."""
        queues = await self.scan.queues(queue)
        return sum(await asyncio.gather(*(self._transport.call("ZCARD", keys.dead) for keys in queues)))

    async def list(self, wanted: LetterFilter = EVERY_LETTER, limit: int = 50) -> Sequence[DeadLetter]:
        """The newest first.  The `died_at` of the last one, as `until`, turns the page.

        Raises:
            StoreUnavailable: Redis did not answer.
        """
        heads: list[LetterHead] = []
        for keys in await self.scan.queues(wanted.queue):
            heads += await self.scan.newest(keys, wanted, limit)
        heads.sort(key=lambda head: (head.died_ms, head.job_id), reverse=True)
        return [await self._open(head) for head in heads[:limit]]

    async def groups(
        self, wanted: LetterFilter = EVERY_LETTER, on_progress: Progress | None = None
    ) -> Sequence[LetterGroup]:
        """The letters by fingerprint, the largest group first; to know, all of them are read."""
        return (await self.survey(wanted, on_progress)).groups

    async def survey(self, selection: Selection, on_progress: Progress | None = None) -> Survey:
        """What a replay or a discard of these letters would act on."""
        survey = Survey()
        async with aclosing(self.select(selection, on_progress)) as pages:
            async for page in pages:
                survey.add(page)
        return survey

    async def show(self, job_id: str) -> DeadLetter | None:
        """One letter, or None if there is none of this id."""
        async with aclosing(self.select([job_id])) as pages:
            async for [head] in pages:
                return await self._open(head)
        return None

    async def now(self) -> datetime:
        """By the server's clock; letters that die from now on have died at this time or later."""
        seconds, microseconds = await self._transport.call("TIME")
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        # the ms that has begun is let go by: who has just died is meant by "all that are dead now"
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=now_ms + 1)

    def select(
        self, selection: Selection, on_progress: Progress | None = None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """Pages of the letters that are meant, each of one queue."""
        if isinstance(selection, LetterFilter):
            return self.scan.pages(selection, on_progress)
        return self.scan.find(selection)

    # --- moving

    async def replay(self, job_ids: Sequence[str]) -> Sequence[bool]:
        """Give letters a fresh budget of attempts, all at once; per id whether there was one.

        Raises:
            StoreFull: Redis has no room; the letters stay.
            StoreUnavailable: Redis did not answer.  Repeat it: what was replayed is no dead letter any more.
        """
        done: set[str] = set()
        async with aclosing(self.select(job_ids)) as pages:
            async for page in pages:
                done.update(head.job_id for head in await self.replay_heads(page))
        return [job_id in done for job_id in job_ids]

    async def replay_heads(self, heads: Sequence[LetterHead]) -> Sequence[LetterHead]:
        """Replay letters of one queue that were just read; those that were still as they were read."""
        done: list[LetterHead] = []
        mark = self._origin.mark()
        for at in range(0, len(heads), BATCH):
            batch = heads[at : at + BATCH]
            letters = [Letter(head.job_id, head.priority, mark, head.died_ms) for head in batch]
            flags = await execute(self._transport, replay(batch[0].queue, letters))
            done += [head for head, flag in zip(batch, flags, strict=True) if flag]
        return done

    async def replay_edited(self, job_id: str, call: Call[Any], *, max_payload_bytes: int) -> bool:
        """Replay one letter with the arguments of this call instead of its own; whether there was one.

        The job keeps its id, also for those who enqueue it once more with the old arguments.

        Raises:
            InvalidArguments: The call is of another kind than the letter.
            CorruptRecord: The letter cannot be read, so that nobody knows what to keep of it.
            PayloadTooLarge: The edited job is over the limit.
        """
        async with aclosing(self.select([job_id])) as pages:
            async for [head] in pages:
                body = _edited(head, call, max_payload_bytes)
                mark = self._origin.mark(", with other arguments")
                letter = Letter(job_id, head.priority, mark, head.died_ms, body)
                flags = await execute(self._transport, replay(head.queue, [letter]))
                if any(flags):
                    return True
        return False

    async def discard(self, job_ids: Sequence[str]) -> Sequence[bool]:
        """Forget letters for good; per id whether there was one."""
        done: set[str] = set()
        async with aclosing(self.select(job_ids)) as pages:
            async for page in pages:
                done.update(head.job_id for head in await self._forget(page))
        return [job_id in done for job_id in job_ids]

    async def discard_all(self, wanted: LetterFilter, on_progress: Progress | None = None) -> int:
        """Forget for good the letters that are meant, as far as they are dead at this moment; how many."""
        forgotten = 0
        async with aclosing(self.select(await self.dead_now(wanted))) as pages:
            async for page in pages:
                forgotten += len(await self._forget(page))
                if on_progress is not None:
                    on_progress(forgotten)
        return forgotten

    async def dead_now(self, wanted: LetterFilter) -> LetterFilter:
        """The same letters, but none that dies from now on."""
        now = await self.now()
        if wanted.until is not None and wanted.until <= now:
            return wanted
        if wanted.since is not None and wanted.since >= now:  # of the future: there are none
            return replace(wanted, until=wanted.since + timedelta(milliseconds=1))
        return replace(wanted, until=now)

    # ---

    async def _forget(self, heads: Sequence[LetterHead]) -> Sequence[LetterHead]:
        forgotten: list[LetterHead] = []
        for at in range(0, len(heads), BATCH):
            batch = heads[at : at + BATCH]
            died = {head.job_id: head.died_ms for head in batch}
            flags = await execute(self._transport, discard(batch[0].queue, died, died_ms=died))
            # of a letter that is gone, the entry in the list was all that there was to forget
            forgotten += [head for head, flag in zip(batch, flags, strict=True) if flag or head.body is None]
        return forgotten

    async def _open(self, head: LetterHead) -> DeadLetter:
        try:
            records: Iterable[bytes] = await self._transport.call("LRANGE", FAILURES + head.job_id, 0, -1)
        except StoreRefused as error:  # a key of another type
            attempts = [unreadable(str(error))]
        else:
            attempts = [read_failure(record) for record in records]
        if head.body is None:
            head = await self._with_raw_bytes(head)
        return head.opened(attempts, await self._set_aside(head.job_id))

    async def _with_raw_bytes(self, head: LetterHead) -> LetterHead:
        """Of a letter whose envelope is gone, or no string."""
        found = await self._transport.call("DUMP", DEAD_LETTER + head.job_id)
        fault = "its envelope is no string (raw: as DUMP tells it)"
        return head if found is None else replace(head, body=found, fault=fault)

    async def _set_aside(self, job_id: str) -> dict[str, bytes]:
        try:
            flat = await self._transport.call("HGETALL", CORRUPT + job_id)
        except StoreRefused:  # a key of another type
            return {}
        names = (name.decode("utf-8", "backslashreplace") for name in flat[::2])
        return dict(zip(names, flat[1::2], strict=True))


def _edited(head: LetterHead, call: Call[Any], max_payload_bytes: int) -> bytes:
    if head.envelope is None:
        raise CorruptRecord(f"{head.job_id} cannot be edited: {head.fault}")
    kind = call.handler.kind
    if head.envelope.kind != kind:
        raise InvalidArguments(
            kind, {"kind": f"the dead letter {head.job_id} is of kind {head.envelope.kind}"}
        )
    body = encode_body(replace(head.envelope, args=[], kwargs=from_json(call.arguments)))
    if len(body) > max_payload_bytes:
        raise PayloadTooLarge(kind, len(body), max_payload_bytes)
    return body
