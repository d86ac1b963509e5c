"""Moves dead letters from Redis to PostgreSQL, where there is room for all of them.

A letter is copied, and the copy is committed; Redis gives the letter away and leaves a receipt; then the copy
is declared to be the letter.  Whoever dies in between leaves a copy of which nobody knows what it is.  The
next one asks Redis again: if the letter is there, or its receipt, the move goes on; if neither is, somebody
has replayed or discarded it meanwhile, and the copy is dropped.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import Literal

import asyncpg
import structlog

from ...envelope import unique_key_of
from ...errors import DatabaseRefused, NotMigrated, StoreRefused
from ..clock import server_ms
from ..dead_letter import LetterHead
from ..execute import Transport, execute
from ..keys import CORRUPT, FAILURES, STARTS, QueueKeys
from ..letter_filter import LetterFilter, searchable
from ..letter_scan import LetterScan
from ..letter_verbs import archive, forget, receipt
from ..queues import entry_of, keys_of
from ..verbs import milliseconds
from .database import Database
from .repositories.dead_letters import DeadLetterRepository, Key, Row, as_ms, key_of, moment_of, storable
from .unit_of_work import UnitOfWork

log = structlog.get_logger("monarq.postgres")

#: Letters that travel together.
BATCH = 100
#: How long a unique key is held by a letter that is kept for ever: longer than anybody waits.
_A_CENTURY = timedelta(days=36_500)


class Archive:
    """The dead letters that PostgreSQL holds, and the way there.

    Args:
        keep: As the setting `dead_keep`.
        tagged: As the setting `hash_tags`.
    """

    def __init__(
        self, transport: Transport, database: Database, *, keep: timedelta, tagged: bool = False
    ) -> None:
        self._transport = transport
        self._database = database
        self._tagged = tagged
        self._hold_ms = milliseconds(keep or _A_CENTURY)
        #: Letters that PostgreSQL does not take; each is told once.
        self._refused: set[Key] = set()

    async def move_all(self, queue: QueueKeys, *, older_than: timedelta) -> int:
        """Move the letters of a queue that died longer ago than that; how many."""
        before_ms = await server_ms(self._transport) - milliseconds(older_than)
        wanted = LetterFilter(until=moment_of(before_ms))
        moved = 0
        pages = LetterScan(self._transport, tagged=self._tagged).pages_of(queue, wanted, size=BATCH)
        async with aclosing(pages):
            async for page in pages:
                moved += len(await self.move(page))
        return moved

    async def move(self, heads: Sequence[LetterHead]) -> set[Key]:
        """Move letters of one queue that were just read; those that PostgreSQL holds now.

        What cannot be copied as it is (a key of another type, say) stays in Redis.
        """
        readable = [head for head in heads if _is_storable(head)]
        rows = [row for row in await self._rows(readable) if row is not None] if readable else []
        copied = await self._copy(rows)
        return await self._take_away(heads[0].queue, copied)

    async def tidy(self, queues: Iterable[QueueKeys]) -> None:
        """Finish what others began and did not live to finish."""
        async with self._database.connection() as connection:
            pending = await DeadLetterRepository(connection).pending(10 * BATCH)
        begun: dict[QueueKeys, set[Key]] = defaultdict(set)
        for row in pending:
            if queue := keys_of(row["queue_entry"], self._tagged):
                begun[queue].add(key_of(row))
        for queue, archived, revived in await asyncio.gather(*map(self._receipts, queues)):
            begun[queue] |= archived
            await self._delete_revived(queue, revived)
        for queue, found in begun.items():
            keys = sorted(found)
            for at in range(0, len(keys), BATCH):
                await self._take_away(queue, keys[at : at + BATCH])

    async def prune(self, queue: QueueKeys, keep: timedelta) -> int:
        """Drop the letters of a queue that are older; how many."""
        before = moment_of(await server_ms(self._transport) - milliseconds(keep))
        dropped = 0
        while True:

            async def drop(unit: UnitOfWork) -> int:
                rows = await unit.dead_letters.prune(queue.name, before, BATCH)
                await self.note_forgotten(queue, rows, "pruned")
                return len(rows)

            count = await self._database.transact(drop)
            dropped += count
            if count < BATCH:
                return dropped

    async def note_forgotten(
        self, queue: QueueKeys, rows: Sequence[asyncpg.Record], counter: Literal["discarded", "pruned"]
    ) -> None:
        """Tell Redis of letters that are being forgotten: it counts them, and frees their unique keys."""
        if rows:
            letters = [(*key_of(row), _held_key(row["head"])) for row in rows]
            await execute(self._transport, forget(queue, letters, counter=counter))

    # ---

    async def _rows(self, heads: Sequence[LetterHead]) -> Sequence[Row | None]:
        """Whole letters; None for what cannot be copied."""
        names = [head.job_id for head in heads]
        # two commands for all, as nearly always there is a counter, and nothing that was set aside
        counters, aside = await asyncio.gather(
            self._transport.call("MGET", *(STARTS + name for name in names)),
            self._transport.call("EXISTS", *(CORRUPT + name for name in names)),
        )
        return await asyncio.gather(
            *(
                self._row(head, counter, is_any_aside=aside > 0)
                for head, counter in zip(heads, counters, strict=True)
            )
        )

    async def _row(self, head: LetterHead, counter: bytes | None, *, is_any_aside: bool) -> Row | None:
        call = self._transport.call
        try:
            attempts = await call("LRANGE", FAILURES + head.job_id, 0, -1)
            if counter is None:  # there is none, or a key of another type
                counter = await call("GET", STARTS + head.job_id)
            aside = await call("HGETALL", CORRUPT + head.job_id) if is_any_aside else ()
            return _row_of(head, attempts, int(counter or 0), aside)
        except (StoreRefused, ValueError):  # a key of another type, or a counter that is none
            return None

    async def _copy(self, rows: Sequence[Row]) -> list[Key]:
        """Write the copies; if they are refused, one by one, so that a bad one holds up no other."""
        if not rows:
            return []

        async def add(unit: UnitOfWork) -> None:
            await unit.dead_letters.add_copies(rows)

        try:
            await self._database.transact(add)
        except NotMigrated:
            raise
        except DatabaseRefused as error:
            if len(rows) > 1:
                return [key for row in rows for key in await self._copy([row])]
            self._tell_refused(rows[0], error)
            return []
        return [row.key for row in rows]

    def _tell_refused(self, row: Row, error: Exception) -> None:
        if row.key not in self._refused:
            self._refused.add(row.key)
            log.warning("postgres.dead_letter_refused", job_id=row.job_id, queue=row.queue, error=str(error))

    async def _take_away(self, queue: QueueKeys, keys: Sequence[Key]) -> set[Key]:
        """Let Redis give letters away that are copied; those that PostgreSQL holds now."""
        if not keys:
            return set()
        flags = await execute(self._transport, archive(queue, keys, self._hold_ms))
        taken = [key for key, flag in zip(keys, flags, strict=True) if flag]
        others = [key for key, flag in zip(keys, flags, strict=True) if not flag]

        async def decide(unit: UnitOfWork) -> set[Key]:
            await unit.dead_letters.confirm(taken)
            await unit.dead_letters.drop_copies(others)
            return await unit.dead_letters.moved(keys)  # others may have finished some of them

        held = await self._database.transact(decide)
        if taken:
            await self._transport.call("SREM", queue.archived, *(receipt(*key) for key in taken))
        return held

    async def _receipts(self, queue: QueueKeys) -> tuple[QueueKeys, set[Key], set[Key]]:
        """Of letters that were taken away, and of letters that were replayed."""
        members = (self._transport.call("SMEMBERS", key) for key in (queue.archived, queue.revived))
        archived, revived = await asyncio.gather(*members)
        return queue, set(map(_key_of, archived)), set(map(_key_of, revived))

    async def _delete_revived(self, queue: QueueKeys, keys: set[Key]) -> None:
        """Letters that were replayed, and whose rows somebody did not live to delete."""
        if not keys:
            return

        async def delete(unit: UnitOfWork) -> None:
            await unit.dead_letters.delete(sorted(keys))

        await self._database.transact(delete)  # it waits for who is just about to do so
        await self._transport.call("SREM", queue.revived, *(receipt(*key) for key in keys))


def _is_storable(head: LetterHead) -> bool:
    """Whether PostgreSQL can hold its id and its time, and whether there is an envelope."""
    is_time = as_ms(moment_of(head.died_ms)) == head.died_ms
    return head.body is not None and "\0" not in head.job_id and is_time


def _row_of(head: LetterHead, attempts: Sequence[bytes], starts: int, aside: Sequence[bytes]) -> Row:
    assert head.body is not None
    names = (name.decode("utf-8", "backslashreplace") for name in aside[::2])
    return Row(
        job_id=head.job_id,
        died_at=moment_of(head.died_ms),
        queue=head.queue.name,
        queue_entry=entry_of(head.queue),
        kind=None if head.kind is None else storable(head.kind),
        rank=head.priority.rank,
        fingerprint=head.fingerprint,
        starts=starts,
        body=head.body,
        attempts=attempts,
        set_aside=dict(zip(map(storable, names), aside[1::2], strict=True)),
        searchable=storable(searchable(head)),
    )


def _held_key(head: bytes) -> str:
    """The digest of the unique key that a letter holds."""
    found = unique_key_of(head)
    return found[1] if found is not None and found[0] == "success" else ""


def _key_of(found: bytes) -> Key:
    """Which letter a receipt is of."""
    died_ms, _, job_id = found.decode("utf-8", "backslashreplace").partition(":")
    return job_id, int(died_ms)
