"""Brings jobs that were cancelled while they waited into the history: no worker has seen them end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence

import structlog

from monarq.jobs import envelope as envelopes
from monarq.jobs.cancel_note import decode_note
from monarq.jobs.envelope import Envelope
from monarq.jobs.errors import CorruptRecord, StoreError
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres.database import Database
from monarq.jobs.store.postgres.history_writing import record
from monarq.jobs.store.postgres.repositories.jobs import EndedJob

from ..history_rows import cancelled_job
from ..outage import Outage

log = structlog.get_logger("monarq.worker")

EVERY_SECONDS = 1.0
BATCH = 200
#: The mark that asks for these jobs outlives a worker by an hour, so that a deploy loses none.
MARK_MS = 3_600_000
_MARK_EVERY_SECONDS = 60.0


class Unstarted:
    """Empties the lists that cancel.lua fills.  Several workers may be at it: each job is written once."""

    def __init__(self, link: Transport, queues: Iterable[QueueKeys], database: Database) -> None:
        self._link = link
        self._queues = list(queues)
        self._database = database
        self._outage = Outage("history of the cancelled")
        self._mark_again = 0.0

    async def run(self) -> None:
        """Look for them now and then, until cancelled."""
        while True:
            try:
                await self._mark()
                for queue in self._queues:
                    await self.take(queue)
            except StoreError as error:
                await self._outage.wait(error)
            else:
                self._outage.over()
                await asyncio.sleep(EVERY_SECONDS)

    async def take(self, queue: QueueKeys) -> int:
        """Write all that wait in this queue's list; how many those were."""
        taken = 0
        while records := await self._link.call("LRANGE", queue.ended, 0, BATCH - 1):
            await record(self._database, _read_all(queue, records))
            # not before they are written; and these very ones, since another worker may be at it
            for one in records:
                await self._link.call("LREM", queue.ended, 1, one)
            taken += len(records)
        return taken

    async def _mark(self) -> None:
        """Ask for what ends from now on."""
        if time.monotonic() >= self._mark_again:
            for queue in self._queues:
                await self._link.call("SET", queue.history, "1", "PX", MARK_MS)
            self._mark_again = time.monotonic() + _MARK_EVERY_SECONDS


def _read_all(queue: QueueKeys, records: Iterable[bytes]) -> Sequence[EndedJob]:
    found: dict[tuple[str, object], EndedJob] = {}
    for one in records:
        try:
            ended = read_record(queue.name, one)
        except (ValueError, TypeError, AttributeError, CorruptRecord) as error:
            log.warning("worker.history_refused", queue=queue.name, error=str(error))
        else:
            found[ended.job.job_id, ended.job.ended_at] = ended
    return list(found.values())


def read_record(queue: str, one: bytes) -> EndedJob:
    """What cancel.lua has handed over.

    Raises:
        ValueError, TypeError, AttributeError: It is something else.
    """
    # ids and envelopes of arq's may be any bytes
    job_id, ended_ms, starts, note, body, past = json.loads(one.decode("utf-8", "surrogateescape"))
    envelope: Envelope | None
    try:
        envelope = envelopes.decode(body.encode("utf-8", "surrogateescape"))
    except CorruptRecord:
        envelope = None
    return cancelled_job(
        job_id,
        queue,
        int(ended_ms),
        starts=int(starts),
        note=decode_note(note),
        envelope=envelope,
        past=[failure.encode("utf-8", "surrogateescape") for failure in past],
    )
