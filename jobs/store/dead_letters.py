"""The dead letters: read them, sort them by bug, give them another chance, or forget them.

They lie in Redis, and in PostgreSQL if there is one: two implementations of one interface, which
`open_dead_letters` tells apart.  `replaying.py` replays many of them at a pace.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from ..envelope import encode_body
from ..errors import CorruptRecord, InvalidArguments, PayloadTooLarge
from ..failure import Cause, Failure
from ..handler import Call
from .dead_letter import DeadLetter, LetterHead
from .execute import Transport
from .letter_filter import LetterFilter
from .letter_groups import LetterGroup, Survey
from .letter_pages import FIRST_PAGE, Admits, LetterPage, Turn, admit_all
from .letter_scan import LetterScan, Progress
from .verbs import BATCH

if TYPE_CHECKING:
    from .postgres.database import Database

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


NOBODY = Origin()


class DeadLetters(ABC):
    """The dead letters of all queues, wherever they lie.  `open_dead_letters` makes one."""

    def __init__(self, transport: Transport, *, tagged: bool = False, origin: Origin = NOBODY) -> None:
        self._transport = transport
        self._origin = origin
        self._scan = LetterScan(transport, tagged=tagged)

    # --- reading

    @abstractmethod
    async def count(self, queue: str | None = None) -> int:
        """How many there are."""

    async def list(self, wanted: LetterFilter = EVERY_LETTER, limit: int = 50) -> Sequence[DeadLetter]:
        """The newest first.  The `died_at` of the last one, as `until`, turns the page.

        Raises:
            StoreUnavailable: A store did not answer.
        """
        heads = sorted(await self.newest(wanted, limit), key=_by_death, reverse=True)
        return await self.open(heads[:limit])

    @abstractmethod
    async def page(
        self, wanted: LetterFilter, turn: Turn = FIRST_PAGE, admits: Admits = admit_all
    ) -> LetterPage:
        """One page of those that are meant, by the time of death over all queues.

        Letters that die or go while somebody turns pages neither hide others nor show them twice.

        Raises:
            StoreUnavailable: A store did not answer.
        """

    async def groups(
        self, wanted: LetterFilter = EVERY_LETTER, on_progress: Progress | None = None
    ) -> Sequence[LetterGroup]:
        """The letters by fingerprint, the largest group first."""
        return (await self.survey(wanted, on_progress)).groups

    async def survey(
        self,
        selection: Selection,
        on_progress: Progress | None = None,
        *,
        hours_since: datetime | None = None,
    ) -> Survey:
        """What a replay or a discard of these letters would act on.

        Args:
            hours_since: Say of those that died since then in which hours they did; of others it may be said.
        """
        survey = Survey()
        async with aclosing(self.select(selection, on_progress)) as pages:
            async for page in pages:
                survey.add(page)
        return survey

    async def show(self, job_id: str) -> DeadLetter | None:
        """One letter, or None if there is none of this id."""
        async with aclosing(self.select([job_id])) as pages:
            async for page in pages:
                [letter] = await self.open(page[:1])
                return letter
        return None

    async def now(self) -> datetime:
        """By the clock of Redis; letters that die from now on have died at this time or later."""
        seconds, microseconds = await self._transport.call("TIME")
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        # the ms that has begun is let go by: who has just died is meant by "all that are dead now"
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=now_ms + 1)

    @abstractmethod
    def select(
        self, selection: Selection, on_progress: Progress | None = None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """Pages of the letters that are meant, each of one queue."""

    # --- moving

    async def replay(self, job_ids: Sequence[str]) -> Sequence[bool]:
        """Give letters a fresh budget of attempts, all at once; per id whether there was one.

        Raises:
            StoreFull: Redis has no room; the letters stay.
            StoreUnavailable: No answer.  Repeat it: what was replayed is no dead letter any more.
        """
        done: set[str] = set()
        async with aclosing(self.select(job_ids)) as pages:
            async for page in pages:
                done.update(head.job_id for head in await self.replay_heads(page))
        return [job_id in done for job_id in job_ids]

    async def replay_heads(self, heads: Sequence[LetterHead]) -> Sequence[LetterHead]:
        """Replay letters of one queue that were just read; those that were still as they were read."""
        mark = self._origin.mark()
        return [head for batch in _batches(heads) for head in await self.replay_batch(batch, mark)]

    async def replay_edited(self, job_id: str, call: Call[Any], *, max_payload_bytes: int) -> bool:
        """Replay one letter with the arguments of this call instead of its own; whether there was one.

        The job keeps its id, also for those who enqueue it once more with the old arguments.

        Raises:
            InvalidArguments: The call is of another kind than the letter.
            CorruptRecord: The letter cannot be read, so that nobody knows what to keep of it.
            PayloadTooLarge: The edited job is over the limit.
        """
        async with aclosing(self.select([job_id])) as pages:
            async for page in pages:
                body = _edited(page[0], call, max_payload_bytes)
                mark = self._origin.mark(", with other arguments")
                if await self.replay_batch(page[:1], mark, body):
                    return True
        return False

    async def discard(self, job_ids: Sequence[str]) -> Sequence[bool]:
        """Forget letters for good; per id whether there was one."""
        done: set[str] = set()
        async with aclosing(self.select(job_ids)) as pages:
            async for page in pages:
                done.update(head.job_id for head in await self.forget_heads(page))
        return [job_id in done for job_id in job_ids]

    async def forget_heads(self, heads: Sequence[LetterHead]) -> Sequence[LetterHead]:
        """Forget letters of one queue that were just read; those that were still as they were read."""
        return [head for batch in _batches(heads) for head in await self.forget_batch(batch)]

    async def discard_all(self, wanted: LetterFilter, on_progress: Progress | None = None) -> int:
        """Forget for good the letters that are meant, as far as they are dead at this moment; how many."""
        forgotten = 0
        async with aclosing(self.select(await self.dead_now(wanted))) as pages:
            async for page in pages:
                forgotten += len(await self.forget_heads(page))
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

    # --- what the place where they lie decides

    @abstractmethod
    async def newest(self, wanted: LetterFilter, limit: int) -> Sequence[LetterHead]:
        """At least the newest of those that are meant, in any order."""

    @abstractmethod
    async def open(self, heads: Sequence[LetterHead]) -> Sequence[DeadLetter]:
        """The whole letters."""

    @abstractmethod
    async def replay_batch(
        self, batch: Sequence[LetterHead], mark: Failure, body: bytes | None = None
    ) -> Sequence[LetterHead]:
        """Replay letters of one queue, with `body` instead of their own; those that were still there."""

    @abstractmethod
    async def forget_batch(self, batch: Sequence[LetterHead]) -> Sequence[LetterHead]:
        """Forget letters of one queue; those that were still there."""


def open_dead_letters(
    transport: Transport,
    database: Database | None = None,
    *,
    tagged: bool = False,
    origin: Origin = NOBODY,
    keep: timedelta = timedelta(0),
) -> DeadLetters:
    """The dead letters, wherever they lie.

    Args:
        transport: To Redis.
        database: PostgreSQL, if there is one: the letters move there.
        tagged: As the setting `hash_tags`.
        origin: Who replays, for the record that a replay leaves.
        keep: As the setting `dead_keep`.
    """
    if database is None:
        from .redis_letters import RedisDeadLetters

        return RedisDeadLetters(transport, tagged=tagged, origin=origin)
    from .postgres.dead_letters import PostgresDeadLetters  # it imports what need not be installed

    return PostgresDeadLetters(transport, database, tagged=tagged, origin=origin, keep=keep)


def _by_death(head: LetterHead) -> tuple[int, str]:
    return head.died_ms, head.job_id


def _batches(heads: Sequence[LetterHead]) -> Iterator[Sequence[LetterHead]]:
    return (heads[at : at + BATCH] for at in range(0, len(heads), BATCH))


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
