"""Carries rows of the outbox to Redis, one batch at a time."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from monarq.jobs.cancel_note import CancelNote
from monarq.jobs.envelope import is_durable
from monarq.jobs.errors import StoreFull, StoreRefused
from monarq.jobs.failure import clean
from monarq.jobs.priority import RANKS
from monarq.jobs.store.execute import Transport, execute
from monarq.jobs.store.keys import QUEUES, QueueKeys
from monarq.jobs.store.postgres.repositories.outbox import Change, WaitingRow
from monarq.jobs.store.postgres.unit_of_work import UnitOfWork
from monarq.jobs.store.replies import is_about_what_lies_there
from monarq.jobs.store.verbs import Accepted, Entry, Held, enqueue

from .cancelling import cancelled_record
from .counting import Sort
from .order import CHUNK, CHUNK_BYTES
from .waiting_rows import UnusableRow, read_row

#: Rows of one transaction.
BATCH = 500

_REASON_CHARS = 1_000
_TAKEN_ID = "another job has this id, with another kind or other arguments"

#: What became of one job: the script's answer, or why it cannot be sent.
Answer: TypeAlias = Accepted | Held | str


@dataclass(slots=True)
class Carried:
    """What became of the rows of one batch."""

    taken: int = 0
    #: Those that Redis had not got yet.
    new: list[Sort] = field(default_factory=list)
    #: Why some cannot be sent, by job id.
    set_aside: dict[str, str] = field(default_factory=dict)


class Carrier:
    """Takes rows, sends them, and then removes them: a row is gone only once Redis has its job."""

    def __init__(self, redis: Transport, *, tagged: bool) -> None:
        self._redis = redis
        self._tagged = tagged
        self._known_queues: set[QueueKeys] = set()

    async def carry(self, unit: UnitOfWork) -> Carried:
        """Send the oldest rows that no other relay has taken.  Whoever commits the unit removes them.

        Killed before that, it is all done again: Redis knows each job by its id.

        Raises:
            StoreError: Redis did not answer, or does not serve us; or PostgreSQL.  No row is gone.
        """
        rows = await unit.outbox.take(BATCH)
        if not rows:
            return Carried()
        jobs, carried = self._read(rows)
        answers = await self._send_all(jobs)
        carried.new = _new(jobs, rows, answers)
        records: dict[str, bytes] = {}
        changes: dict[str, Change] = {}
        for queue, entries in jobs.items():
            for entry in entries:
                answer = answers[entry.job_id]
                if isinstance(answer, str) or answer is Accepted.CONFLICT:
                    carried.set_aside[entry.job_id] = answer if isinstance(answer, str) else _TAKEN_ID
                elif isinstance(answer, Held) and is_durable(entry.head):
                    records[entry.job_id] = _record(queue, entry, answer)
                    if (change := _change(entry, answer)) is not None:
                        changes[answer.by] = change
        carried.set_aside = {
            job_id: clean(reason, _REASON_CHARS) for job_id, reason in carried.set_aside.items()
        }
        if changes:
            await unit.outbox.put_off_durable([*changes.values()])
        await _remove(unit, rows, carried.set_aside, records)
        return carried

    def _read(self, rows: Sequence[WaitingRow]) -> tuple[dict[QueueKeys, list[Entry]], Carried]:
        jobs: dict[QueueKeys, list[Entry]] = defaultdict(list)
        carried = Carried(len(rows))
        for row in rows:
            try:
                queue, entry = read_row(row, tagged=self._tagged)
                jobs[queue].append(entry)
            except UnusableRow as fault:
                carried.set_aside[row.job_id] = str(fault)
        return jobs, carried

    async def _send_all(self, jobs: Mapping[QueueKeys, Sequence[Entry]]) -> dict[str, Answer]:
        for queue in jobs.keys() - self._known_queues:
            await self._redis.call("SADD", QUEUES, queue.name)
            self._known_queues.add(queue)
        chunks = [(queue, chunk) for queue, entries in jobs.items() for chunk in _chunks(entries)]
        answered = await asyncio.gather(*(self._send(queue, chunk) for queue, chunk in chunks))
        return {
            entry.job_id: answer
            for (_, chunk), answers in zip(chunks, answered, strict=True)
            for entry, answer in zip(chunk, answers, strict=True)
        }

    async def _send(self, queue: QueueKeys, entries: Sequence[Entry]) -> list[Answer]:
        """Send jobs; of those that Redis refuses together, find out which it means."""
        try:
            return [*await execute(self._redis, enqueue(queue, entries))]
        except StoreFull:
            raise
        except StoreRefused as error:
            if not is_about_what_lies_there(error):
                raise
            if len(entries) == 1:
                return [str(error)]
        middle = len(entries) // 2
        return await self._send(queue, entries[:middle]) + await self._send(queue, entries[middle:])


def _new(
    jobs: Mapping[QueueKeys, Sequence[Entry]], rows: Iterable[WaitingRow], answers: Mapping[str, Answer]
) -> list[Sort]:
    kinds = {row.job_id: row.kind for row in rows}
    return [
        (queue.name, kinds[entry.job_id], entry.priority)
        for queue, entries in jobs.items()
        for entry in entries
        if answers[entry.job_id] is Accepted.CREATED
    ]


def _change(entry: Entry, holder: Held) -> Change | None:
    """What Redis has made of the job that holds the key, for the row from which it would be restored."""
    on_conflict = entry.unique.split(" ")[1]
    due_at = entry.due if isinstance(entry.due, datetime) else None
    if on_conflict == "replace":
        return Change(holder.by, entry.head, RANKS[entry.priority], due_at)
    return Change(holder.by, None, None, due_at) if on_conflict == "reschedule" else None


async def _remove(
    unit: UnitOfWork, rows: Iterable[WaitingRow], set_aside: Mapping[str, str], records: Mapping[str, bytes]
) -> None:
    if set_aside:
        await unit.outbox.set_aside(set_aside)
    if records:
        await unit.outbox.end_durable(records)
    await unit.outbox.remove([row.job_id for row in rows if row.job_id not in set_aside])


def _chunks(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """As many jobs at a time as a script should be given."""
    chunk: list[Entry] = []
    size = 0
    for entry in entries:
        chunk.append(entry)
        size += len(entry.head)
        if len(chunk) == CHUNK or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _record(queue: QueueKeys, entry: Entry, held: Held) -> bytes:
    """The end of a durable job that another one stands for."""
    note = CancelNote.of("relay", f"job {held.by} holds its unique key")
    body = entry.head + b"%d}" % (time.time_ns() // 1_000_000)
    return cancelled_record(queue.name, entry.job_id, body, note)
