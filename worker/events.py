"""Tells whoever listens what becomes of jobs; costs nothing while nobody does.

Redis says with each message how many got it.  Where nobody did, the worker tells nothing more for a second:
then the next batch asks again.  So an idle worker sends nothing, and a busy one without listeners one message
a second.  And however many jobs it runs, it tells of no more than some hundreds in a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from monarq.jobs.envelope import decode
from monarq.jobs.errors import CorruptRecord
from monarq.jobs.events import LONGEST_TEXT, Event, EventType
from monarq.jobs.failure import clean
from monarq.jobs.store.event_bus import EventSender
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.verbs import Settlement, Verb
from monarq.jobs.tags import owner_tag_of

from .completer import Batch
from .run import Run, now_ms

#: Seconds until a worker that nobody heard tells something again, and until it may tell as much again.
_EVERY = 1.0
#: Events that a worker tells in that time.
MOST_PER_SECOND = 500

_TYPES = {
    Verb.SUCCEEDED: EventType.JOB_SUCCEEDED,
    Verb.RETRYING: EventType.JOB_RETRYING,
    Verb.RELEASED: EventType.JOB_RELEASED,
    Verb.DEAD: EventType.JOB_DEAD,
    Verb.CANCELLED: EventType.JOB_CANCELLED,
    Verb.EXPIRED: EventType.JOB_EXPIRED,
}


class WorkerEvents:
    """Tells events of one worker.  Who calls it looks at `is_open` first: that is all that it costs.

    Args:
        queues: Those that the worker serves.
    """

    def __init__(self, link: Transport, *, worker_id: str, queues: Iterable[str]) -> None:
        self._sender = EventSender(link, on_sent=self._sent)
        self._worker_id = worker_id
        self._queues = tuple(queues)
        self._left = MOST_PER_SECOND
        #: Somebody listens, as far as is known, and not too much was told lately.
        self.is_open = True

    async def run(self) -> None:
        """Find out now and then whether somebody listens, until cancelled."""
        self._tell_of_worker(EventType.WORKER_STARTED)
        while True:
            await asyncio.sleep(_EVERY)
            self._left, self.is_open = MOST_PER_SECOND, True

    async def close(self) -> None:
        """Tell the rest, and that the worker stops."""
        self._tell_of_worker(EventType.WORKER_STOPPED)
        await self._sender.close()

    def started(self, runs: Iterable[Run]) -> None:
        """Tell of attempts that have begun."""
        for run in runs:
            self._tell(EventType.JOB_STARTED, run)

    def settled(self, batch: Batch, settlements: Sequence[Settlement]) -> None:
        """Tell how attempts ended, as far as the store took it."""
        for (run, end), settlement in zip(batch, settlements, strict=True):
            if settlement is not Settlement.REFUSED and self.is_open:
                self._tell(_TYPES[end.verb], run)

    # ---

    def _tell(self, what: EventType, run: Run) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        if self._left == 0:
            self.is_open = False
            self._tell_of_worker(EventType.EVENTS_SKIPPED)
            return
        kind, owner = _facts(run)
        event = Event(
            type=what,
            at_ms=run.server_now_ms(),
            id=self._sender.new_id(),
            queue=run.claimed.queue.name,
            kind=kind,
            job_id=clean(run.job_id, LONGEST_TEXT - 50),
            owner=owner,
            attempt=run.attempt,
            worker=self._worker_id,
        )
        self._sender.add(event)

    def _tell_of_worker(self, what: EventType) -> None:
        told = Event(type=what, at_ms=now_ms(), worker=self._worker_id, queues=self._queues[:100])
        self._sender.add(self._sender.numbered(told))

    def _sent(self, heard_by: int) -> None:
        if heard_by == 0:
            self.is_open = False


def _facts(run: Run) -> tuple[str | None, str | None]:
    """Kind and owner of its job, as far as they can be read; a durable job's envelope is read later on."""
    envelope = run.envelope
    if envelope is None:
        try:
            envelope = decode(run.claimed.body or b"")
        except CorruptRecord:
            return None, None
    return clean(envelope.kind, LONGEST_TEXT - 50), owner_tag_of(envelope.tags)
