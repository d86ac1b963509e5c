"""Dead letters with PostgreSQL: those that lie there, and those that Redis holds until they are moved."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from itertools import groupby

import asyncpg

from ...failure import Failure
from ...priority import PRIORITIES
from ..dead_letter import DeadLetter, LetterHead, Place, read_failure, read_head
from ..dead_letters import NOBODY, DeadLetters, Origin, Selection
from ..execute import Transport, execute
from ..keys import queue_keys
from ..letter_filter import LetterFilter
from ..letter_groups import LetterGroup, Survey
from ..letter_pages import (
    FIRST_PAGE,
    LOOKED_AT,
    Admits,
    LetterPage,
    Source,
    Stretch,
    Turn,
    admit_all,
    page_of,
    take_all,
)
from ..letter_scan import PAGE, Progress
from ..letter_verbs import Browsed, Revival, Revived, receipt, revive
from ..queues import keys_of
from ..redis_letters import RedisDeadLetters
from . import letter_search as search
from .archive import Archive
from .database import Database
from .letter_cells import CellPlace, Counted, count_cells
from .reopening import Reopening
from .repositories.dead_letters import DeadLetterRepository, Key, key_of, storable
from .unit_of_work import UnitOfWork


class PostgresDeadLetters(DeadLetters):
    """The dead letters of both places as one.

    Redis is read first: a letter that moves meanwhile is then seen in one of them at least, and one that is
    seen in both counts once.

    Args:
        keep: As the setting `dead_keep`.
    """

    def __init__(
        self,
        transport: Transport,
        database: Database,
        *,
        tagged: bool = False,
        origin: Origin = NOBODY,
        keep: timedelta = timedelta(0),
    ) -> None:
        super().__init__(transport, tagged=tagged, origin=origin)
        self._tagged = tagged
        self._database = database
        self._archive = Archive(transport, database, keep=keep, tagged=tagged)
        self._in_redis = RedisDeadLetters(transport, tagged=tagged, origin=origin)

    # --- reading

    async def count(self, queue: str | None = None) -> int:
        """How many there are."""
        waiting = await self._in_redis.count(queue)
        await self._tidy()
        async with self._database.connection() as connection:
            counts = await DeadLetterRepository(connection).counts(queue)
        return waiting + sum(counts.values())

    async def page(
        self, wanted: LetterFilter, turn: Turn = FIRST_PAGE, admits: Admits = admit_all
    ) -> LetterPage:
        taken = list(await self._in_redis.take(wanted, turn, admits))
        await self._tidy()
        async with self._database.connection() as connection:
            queues = await self._queues(connection, wanted)
        sources = (self._source(queue, wanted, turn) for queue in queues)
        return page_of([*taken, *await take_all(sources, wanted, turn, admits)], turn)

    async def survey(
        self,
        selection: Selection,
        on_progress: Progress | None = None,
        *,
        hours_since: datetime | None = None,
    ) -> Survey:
        """What a replay or a discard of these letters would act on."""
        if not isinstance(selection, LetterFilter):
            return await super().survey(selection, on_progress)
        survey, seen = Survey(), set[Key]()
        async with aclosing(self._in_redis.select(selection, on_progress)) as pages:
            async for page in pages:
                survey.add(page)
                seen.update(map(_letter, page))
        await self._tidy()
        for cell in await self._cells(selection, seen, hours_since):
            survey.add_cell(cell)
            survey.name([cell.sample])
        if on_progress is not None:
            on_progress(survey.count)
        return survey

    def select(
        self, selection: Selection, on_progress: Progress | None = None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        """Pages of the letters that are meant, each of one queue: first what Redis holds, then the others."""
        if isinstance(selection, LetterFilter):
            return self._pages(selection, on_progress)
        return self._find(list(dict.fromkeys(selection)))

    async def newest(self, wanted: LetterFilter, limit: int) -> Sequence[LetterHead]:
        """At least the newest of those that are meant, in any order."""
        found = {head.letter: head for head in await self._in_redis.newest(wanted, limit)}
        await self._tidy()
        async with self._database.connection() as connection:
            for queue in await self._queues(connection, wanted):
                query = search.page(wanted, queue, None, newest_first=True, size=limit)
                for row in await connection.fetch(query.sql, *query.parameters):
                    found.setdefault(key_of(row), self._head(row))
        return list(found.values())

    async def open(self, heads: Sequence[LetterHead]) -> Sequence[DeadLetter]:
        """The whole letters."""
        async with self._database.connection() as connection:
            rows = await DeadLetterRepository(connection).open(
                [one.letter for one in heads if one.is_archived]
            )
        found = {key_of(row): row for row in rows}
        waiting = iter(await self._in_redis.open([head for head in heads if not head.is_archived]))
        return [
            _opened(head, found.get(head.letter)) if head.is_archived else next(waiting) for head in heads
        ]

    # --- moving

    async def replay_batch(
        self, batch: Sequence[LetterHead], mark: Failure, body: bytes | None = None
    ) -> Sequence[LetterHead]:
        """Replay letters of one queue, with `body` instead of their own; those that were still there.

        What Redis holds still is moved first, so that there is one way back for all.
        """
        waiting = [head for head in batch if not head.is_archived]
        moved = await self._archive.move(waiting) if waiting else set()
        here = [head for head in batch if head.is_archived or head.letter in moved]
        done = await self._revive(here, mark, body) if here else set()
        # what cannot be copied is replayed where it is
        stuck = [head for head in waiting if head.letter not in moved]
        replayed = await self._in_redis.replay_batch(stuck, mark, body) if stuck else ()
        done.update(map(_letter, replayed))
        return [head for head in batch if head.letter in done]

    async def forget_batch(self, batch: Sequence[LetterHead]) -> Sequence[LetterHead]:
        """Forget letters of one queue; those that were still there."""
        waiting = [head for head in batch if not head.is_archived]
        gone = set(map(_letter, await self._in_redis.forget_batch(waiting) if waiting else ()))
        here = [key for head in batch if (key := head.letter) not in gone]  # some may just have moved

        async def delete(unit: UnitOfWork) -> set[Key]:
            rows = await unit.dead_letters.delete(here)
            await self._archive.note_forgotten(batch[0].queue, rows, "discarded")
            return {key_of(row) for row in rows}

        if here:
            gone |= await self._database.transact(delete)
        return [head for head in batch if head.letter in gone]

    # ---

    async def _tidy(self) -> None:
        await self._archive.tidy(await self._scan.queues())

    async def _queues(self, connection: asyncpg.Connection, wanted: LetterFilter) -> Sequence[str]:
        if wanted.queue is not None:
            return [wanted.queue]
        return await DeadLetterRepository(connection).queues()

    async def _cells(
        self, wanted: LetterFilter, seen: Iterable[Key], hours_since: datetime | None
    ) -> Sequence[LetterGroup]:
        async with self._database.connection() as connection:
            queues = await self._queues(connection, wanted)
            if not queues:
                return []
            query = search.groups(wanted, queues, seen, hours_since)
            rows = await connection.fetch(query.sql, *query.parameters)
            counted = count_cells(rows)
            heads = await self._samples(connection, wanted, counted)
        cells = [one.as_group(heads) for one in counted if one.place(one.last) in heads]
        # whose type is another one has the words of the wanted type in its message
        return [cell for cell in cells if wanted.error in (None, str(cell.sample.failure.error_type))]

    async def _samples(
        self, connection: asyncpg.Connection, wanted: LetterFilter, counted: Sequence[Counted]
    ) -> dict[CellPlace, LetterHead]:
        """The first and the last letter of each cell."""
        places = list(dict.fromkeys(one.place(at) for one in counted for at in (one.first, one.last)))
        heads: dict[CellPlace, LetterHead] = {}
        for at in range(0, len(places), PAGE):
            query = search.samples(wanted, places[at : at + PAGE])
            for row in await connection.fetch(query.sql, *query.parameters):
                head = self._head(row)
                heads[row["queue"], row["fingerprint"], row["kind"], row["died_at"]] = head
        return heads

    async def _pages(
        self, wanted: LetterFilter, on_progress: Progress | None
    ) -> AsyncGenerator[Sequence[LetterHead], None]:
        seen, looked_at = set[Key](), 0
        async with aclosing(self._in_redis.select(wanted, on_progress)) as pages:
            async for page in pages:
                seen.update(map(_letter, page))
                looked_at += len(page)
                yield page
        await self._tidy()
        async with self._database.connection() as connection:
            queues = await self._queues(connection, wanted)
        for queue in queues:
            async for page in self._pages_of(queue, wanted):
                looked_at += len(page)
                if on_progress is not None:
                    on_progress(looked_at)
                if fresh := [head for head in page if head.letter not in seen]:
                    yield fresh

    async def _source(self, queue: str, wanted: LetterFilter, turn: Turn) -> Source:
        size = min(PAGE, turn.limit + 1)
        # of what no index finds, so much is read for one page
        window = LOOKED_AT if wanted.needs_reading else None
        last = None if turn.beyond is None else (turn.beyond[1], turn.beyond[0])
        while True:
            query = search.page(wanted, queue, last, newest_first=turn.newest_first, size=size, window=window)
            async with self._database.connection() as connection:
                rows = await connection.fetch(query.sql, *query.parameters)
                is_all = len(rows) < size
                end = await self._end(connection, wanted, queue, last, turn) if window and is_all else None
            heads = [self._head(row) for row in rows]
            if end is not None:
                yield Stretch(heads, LOOKED_AT, end)
            elif heads:
                yield Stretch(heads, len(heads), heads[-1].place)
            if is_all and end is None:
                return
            last = heads[-1].letter if end is None else (end[1], end[0])

    async def _end(
        self, connection: asyncpg.Connection, wanted: LetterFilter, queue: str, last: Key | None, turn: Turn
    ) -> Place | None:
        query = search.end_of_window(wanted, queue, last, newest_first=turn.newest_first, window=LOOKED_AT)
        row = await connection.fetchrow(query.sql, *query.parameters)
        if row is None:
            return None
        job_id, died_ms = key_of(row)
        return died_ms, job_id

    async def _pages_of(self, queue: str, wanted: LetterFilter) -> AsyncGenerator[Sequence[LetterHead], None]:
        last: Key | None = None
        while True:
            query = search.page(wanted, queue, last, newest_first=False, size=PAGE)
            async with self._database.connection() as connection:  # none is held while the caller works
                rows = await connection.fetch(query.sql, *query.parameters)
            if rows:
                yield [self._head(row) for row in rows]
            if len(rows) < PAGE:
                return
            last = key_of(rows[-1])

    async def _find(self, job_ids: Sequence[str]) -> AsyncGenerator[Sequence[LetterHead], None]:
        seen = set[Key]()
        async with aclosing(self._in_redis.select(job_ids)) as pages:
            async for page in pages:
                seen.update(map(_letter, page))
                yield page
        await self._tidy()
        for at in range(0, len(job_ids), PAGE):
            wanted = [storable(job_id) for job_id in job_ids[at : at + PAGE]]
            async with self._database.connection() as connection:
                rows = await DeadLetterRepository(connection).find(wanted)
            fresh = [self._head(row) for row in rows if key_of(row) not in seen]
            for _, page_of_queue in groupby(fresh, key=lambda head: head.queue):
                yield list(page_of_queue)

    def _head(self, row: asyncpg.Record) -> LetterHead:
        job_id, died_ms = key_of(row)
        found = Browsed(died_ms, row["body"], row["failure"])
        queue = keys_of(row["queue_entry"], self._tagged) or queue_keys("default", tagged=self._tagged)
        return read_head(queue, job_id, died_ms, found, is_archived=True)

    async def _revive(self, heads: Sequence[LetterHead], mark: Failure, body: bytes | None) -> set[Key]:
        """Replay letters that PostgreSQL holds; which."""
        queue = heads[0].queue
        keys = [head.letter for head in heads]
        reopening = Reopening(self._transport, self._database)
        await reopening.reopen(heads, body)

        async def put_back(unit: UnitOfWork) -> tuple[list[Key], list[Key]]:
            rows = await unit.dead_letters.lock(keys)
            letters = [_revival(row, mark, body) for row in rows]
            flags = await execute(self._transport, revive(queue, letters)) if letters else []
            locked = [key_of(row) for row in rows]
            done = [key for key, flag in zip(locked, flags, strict=True) if flag is not Revived.ID_IN_USE]
            await unit.dead_letters.delete(done)
            return locked, done

        locked, done = await self._database.transact(put_back)
        await reopening.undo(except_for={job_id for job_id, _ in locked})
        if done:
            await self._transport.call("SREM", queue.revived, *(receipt(*key) for key in done))
        return set(done)


def _letter(head: LetterHead) -> Key:
    return head.letter


def _opened(head: LetterHead, row: asyncpg.Record | None) -> DeadLetter:
    if row is None:  # it has just gone
        return head.opened([], {})
    aside = dict(zip(row["set_aside_names"], row["set_aside_found"], strict=True))
    return head.opened([read_failure(record) for record in row["attempts"]], aside)


def _revival(row: asyncpg.Record, mark: Failure, body: bytes | None) -> Revival:
    job_id, died_ms = key_of(row)
    priority = PRIORITIES[row["rank"]]
    return Revival(job_id, priority, died_ms, mark, row["starts"], body or row["body"], row["attempts"])
