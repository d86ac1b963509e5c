"""Dead letters as they lie in Redis: all that there are without a database, the newest ones with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace

from ..errors import StoreRefused
from ..failure import Failure
from .dead_letter import DeadLetter, LetterHead, read_failure, unreadable
from .dead_letters import DeadLetters, Selection
from .execute import execute
from .keys import CORRUPT, DEAD_LETTER, FAILURES, QueueKeys
from .letter_filter import LetterFilter
from .letter_pages import (
    FIRST_PAGE,
    Admits,
    LetterPage,
    Source,
    Stretch,
    Taken,
    Turn,
    admit_all,
    page_of,
    take_all,
)
from .letter_scan import PAGE, Progress
from .letter_verbs import Letter, discard, replay


class RedisDeadLetters(DeadLetters):
    """The dead letters of all queues behind one connection.

    Args:
        tagged: As the setting `hash_tags`.
        origin: Who replays, for the record that a replay leaves.
    """

    async def count(self, queue: str | None = None) -> int:
        """How many there are."""
        queues = await self._scan.queues(queue)
        return sum(await asyncio.gather(*(self._transport.call("ZCARD", keys.dead) for keys in queues)))

    def select(
        self, selection: Selection, on_progress: Progress | None = None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """Pages of the letters that are meant, each of one queue, oldest first."""
        if isinstance(selection, LetterFilter):
            return self._scan.pages(selection, on_progress)
        return self._scan.find(selection)

    async def newest(self, wanted: LetterFilter, limit: int) -> Sequence[LetterHead]:
        heads: list[LetterHead] = []
        for keys in await self._scan.queues(wanted.queue):
            heads += await self._scan.newest(keys, wanted, limit)
        return heads

    async def page(
        self, wanted: LetterFilter, turn: Turn = FIRST_PAGE, admits: Admits = admit_all
    ) -> LetterPage:
        return page_of(await self.take(wanted, turn, admits), turn)

    async def take(self, wanted: LetterFilter, turn: Turn, admits: Admits) -> Sequence[Taken]:
        """What a page needs of each queue."""
        queues = await self._scan.queues(wanted.queue)
        return await take_all((self._source(keys, wanted, turn) for keys in queues), wanted, turn, admits)

    async def _source(self, keys: QueueKeys, wanted: LetterFilter, turn: Turn) -> Source:
        size = PAGE if wanted.looks_inside else min(PAGE, turn.limit + 1)
        pages = self._scan.pages_of(
            keys, wanted, newest_first=turn.newest_first, size=size, beyond=turn.beyond
        )
        async with aclosing(pages):
            async for page in pages:
                yield Stretch(page, len(page), page[-1].place)

    async def replay_batch(
        self, batch: Sequence[LetterHead], mark: Failure, body: bytes | None = None
    ) -> Sequence[LetterHead]:
        letters = [Letter(head.job_id, head.priority, mark, head.died_ms, body) for head in batch]
        flags = await execute(self._transport, replay(batch[0].queue, letters))
        return [head for head, flag in zip(batch, flags, strict=True) if flag]

    async def forget_batch(self, batch: Sequence[LetterHead]) -> Sequence[LetterHead]:
        died = {head.job_id: head.died_ms for head in batch}
        flags = await execute(self._transport, discard(batch[0].queue, died, died_ms=died))
        # of a letter that is gone, the entry in the list was all that there was to forget
        return [head for head, flag in zip(batch, flags, strict=True) if flag or head.body is None]

    async def open(self, heads: Sequence[LetterHead]) -> Sequence[DeadLetter]:
        """The whole letters."""
        return [await self._open(head) for head in heads]

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
