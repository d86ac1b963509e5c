"""All queues and all workers at a glance, for whoever shows or exports them.

One look serves everybody who asks within a second: pages, the API and scrapers of a process cost what one of
them costs.  A look is O(queues + workers), however many jobs wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ..errors import StoreRefused
from .clock import moment_of, server_ms
from .execute import Transport, execute
from .keys import QueueKeys
from .measure import QueueNumbers, measure
from .memory import Memory, read_memory
from .pauses import Pause
from .queues import known_queues
from .rates import LATELY, Rate, Rates
from .series import Sample, read_samples
from .shared_reading import Reading, SharedReading
from .workers import LiveWorker, live_workers

#: Seconds for which a look serves all who ask.
FRESH = 1.0
#: Queues that are measured side by side: more would keep others on the connection waiting.
_AT_ONCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What was seen at one moment."""

    #: By the server's clock.
    taken_at: datetime
    #: By name, in the order of names.
    queues: Mapping[str, QueueNumbers]
    keys: Mapping[str, QueueKeys]
    #: Of the queues whose pace is known already: it takes two looks.
    rates: Mapping[str, Rate]
    #: The same of the last quarter of an hour.
    lately: Mapping[str, Rate]
    workers: Sequence[LiveWorker]
    #: None if the server does not tell.
    memory: Memory | None

    def serving(self, queue: str) -> list[LiveWorker]:
        """The live workers that claim from a queue."""
        return [worker for worker in self.workers if worker.serves(queue)]

    def versions(self) -> list[str]:
        """Of the live workers, each once."""
        return sorted({worker.version for worker in self.workers if worker.is_live})

    def with_pauses(self, queue: str, pauses: Sequence[Pause]) -> Fleet:
        """The same after somebody has paused or resumed."""
        if queue not in self.queues:
            return self
        return replace(self, queues={**self.queues, queue: replace(self.queues[queue], pauses=pauses)})


class FleetWatch:
    """Looks when it is asked, at most once a second; while Redis is away the last look is given.

    Args:
        tagged: As the setting `hash_tags`.
    """

    def __init__(self, transport: Transport, *, tagged: bool) -> None:
        self._transport = transport
        self._tagged = tagged
        self._rates = Rates()
        self._shared = SharedReading(self.take, fresh=FRESH)

    async def look(self) -> Reading[Fleet]:
        """The fleet, with the age of the look and, if there is none that is newer, the reason.

        Raises:
            StoreUnavailable: Redis does not answer, and never has.
        """
        return await self._shared.get()

    def note_pauses(self, queue: str, pauses: Sequence[Pause]) -> None:
        """Somebody has just paused or resumed: no look must deny it."""
        self._shared.amend(lambda fleet: fleet.with_pauses(queue, pauses))

    async def close(self) -> None:
        """Look no more."""
        await self._shared.close()

    async def take(self) -> Fleet:
        """A look of its own, for who shares it himself.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        now_ms, memory, known, workers = await asyncio.gather(
            server_ms(self._transport),
            read_memory(self._transport),
            known_queues(self._transport, tagged=self._tagged),
            live_workers(self._transport),
        )
        queues = {numbers.queue: numbers for numbers in await self._measure(known)}
        self._rates.add(queues, await self._past(known, now_ms))
        return Fleet(
            taken_at=moment_of(now_ms),
            queues=queues,
            keys={keys.name: keys for keys in known},
            rates={name: rate for name in queues if (rate := self._rates.of(name)) is not None},
            lately={name: rate for name in queues if (rate := self._rates.lately(name)) is not None},
            workers=workers,
            memory=memory,
        )

    async def _measure(self, known: Sequence[QueueKeys]) -> Iterable[QueueNumbers]:
        measured: list[QueueNumbers] = []
        for at in range(0, len(known), _AT_ONCE):
            some = known[at : at + _AT_ONCE]
            measured += await asyncio.gather(*(execute(self._transport, measure(keys)) for keys in some))
        return measured

    async def _past(self, known: Sequence[QueueKeys], now_ms: int) -> dict[str, dict[int, Sample]]:
        """What samples tell of the queues that were never looked at before."""
        new = [keys for keys in known if self._rates.is_new(keys.name)]
        since = now_ms - round(LATELY * 1000)
        try:
            found = await asyncio.gather(
                *(read_samples(self._transport, keys, since, now_ms) for keys in new)
            )
        except StoreRefused:  # something else lies there
            return {}
        return {keys.name: samples for keys, samples in zip(new, found, strict=True)}
