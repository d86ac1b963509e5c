"""Replaying many dead letters: at a pace, a few first, until it is done or told to stop.

It keeps no record of its own, and can be killed at any moment.  What it has replayed is no dead letter any
more; if that dies once more, it is a letter of a later time.  Begun again with the same `until`, it replays
nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .canary import Canary
from .dead_letter import LetterHead
from .dead_letters import DeadLetters, Selection
from .execute import Transport
from .letter_filter import LetterFilter
from .letter_scan import Progress
from .pace import Pace
from .verbs import BATCH

#: Seconds between two looks at the canaries.
_LOOK_AGAIN = 0.25


class Stopped(StrEnum):
    """Why a replay ended before its last letter."""

    ASKED = "asked"
    CANARY = "canary"  #: more than half of the first ones failed again


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to replay."""

    #: Letters per second; None: as fast as it goes.
    rate: float | None = None
    #: So many go first; the others follow unless more than half of these fail again.
    canary: int = 0


class Replaying:
    """One replay of the letters that are meant, as far as they are dead when it begins.

    Args:
        letters: Where they are.
        transport: The same connection.
        selection: Which of them.
        plan: How.
        stop: Set it, and the replay ends after the letters that are under way.
        on_progress: Told how many are replayed so far.
        on_canary: Told what has become of the first ones so far.
    """

    def __init__(
        self,
        letters: DeadLetters,
        transport: Transport,
        selection: Selection,
        plan: Plan,
        *,
        stop: asyncio.Event | None = None,
        on_progress: Progress | None = None,
        on_canary: Callable[[Canary], None] | None = None,
    ) -> None:
        self._letters = letters
        self._transport = transport
        self._selection = selection
        self._plan = plan
        self._pace = Pace(plan.rate, most=BATCH)
        self._stop = stop or asyncio.Event()
        self._on_progress = on_progress
        self._on_canary = on_canary
        #: The ids that were replayed so far; also to be read after an error.
        self.replayed: list[str] = []
        self._first: list[LetterHead] = []
        self.canary: Canary | None = None
        #: Only letters that died before this are replayed; None if they are named by their ids.
        self.until: datetime | None = None
        self.stopped: Stopped | None = None

    async def run(self) -> None:
        """Replay until there is no letter left, or a reason to stop.

        Raises:
            StoreFull: Redis has no room; the letters that are left stay.
            StoreUnavailable: Redis did not answer.  Begin again with the same `until`.
        """
        selection = self._selection
        if isinstance(selection, LetterFilter):
            selection = await self._letters.dead_now(selection)
            self.until = selection.until
        async with aclosing(self._letters.select(selection)) as pages:
            async for page in pages:
                if not await self._replay_page(page):
                    return
        if self._first and self.canary is None:  # fewer letters than canaries: all of them are
            await self._passes()

    def as_document(self) -> dict[str, Any]:
        """What it has done, as plain data."""
        return {
            "replayed": len(self.replayed),
            "until": self.until.isoformat() if self.until is not None else None,
            "stopped": self.stopped,
            "canary": self.canary.as_document() if self.canary is not None else None,
        }

    async def _replay_page(self, page: Sequence[LetterHead]) -> bool:
        """Replay letters of one queue; whether the next ones may follow."""
        for chunk in self._chunks(page):
            if await self._is_told_to_stop(self._pace.wait(len(chunk))):
                self.stopped = Stopped.ASKED
                return False
            done = await self._send(chunk)
            if self._canaries_to_go:
                self._first += done
                if not self._canaries_to_go and not await self._passes():
                    return False
        return True

    @property
    def _canaries_to_go(self) -> int:
        return self._plan.canary - len(self._first)

    def _chunks(self, page: Sequence[LetterHead]) -> Iterator[Sequence[LetterHead]]:
        """Parts of the page that may go at once; each is cut when the one before has gone."""
        at = 0
        while at < len(page):
            size = min(self._pace.stride, self._canaries_to_go or self._pace.stride)
            yield page[at : at + size]
            at += size

    async def _send(self, chunk: Sequence[LetterHead]) -> Sequence[LetterHead]:
        done = await self._letters.replay_heads(chunk)
        self.replayed += [head.job_id for head in done]
        if self._on_progress is not None:
            self._on_progress(len(self.replayed))
        return done

    async def _passes(self) -> bool:
        """Wait until each of the first ones has ended or failed again; whether the others may follow."""
        self.canary = Canary(self._transport, self._first)
        while True:
            await self.canary.look()
            if self._on_canary is not None:
                self._on_canary(self.canary)
            if self.canary.is_dead:
                self.stopped = Stopped.CANARY
                return False
            if self.canary.has_ended:
                return True
            if await self._is_told_to_stop(_LOOK_AGAIN):
                self.stopped = Stopped.ASKED
                return False

    async def _is_told_to_stop(self, seconds: float) -> bool:
        """Whether somebody says so within this time."""
        if seconds <= 0:
            return self._stop.is_set()
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True
