"""Operations on dead letters: replay them, discard them.

It goes through one queue after the other by the time of death, and only through letters that died before the
operation was planned.  What is replayed or discarded is no dead letter any more, so nothing is done twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from itertools import takewhile
from typing import Any

from monarq.jobs.store.clock import moment_of
from monarq.jobs.store.dead_letter import LetterHead, Place
from monarq.jobs.store.dead_letters import DeadLetters
from monarq.jobs.store.letter_filter import LetterFilter, as_ms
from monarq.jobs.store.letter_pages import Turn
from monarq.jobs.store.operations import ItemFailure, Operations, Plan

from .actions import Action
from .mandate import Reach, read_scope
from .work import Batch, Outcome

#: Letters that are read at once.
_READ_AT_ONCE = 199
_ENVELOPE_GONE = "its envelope is gone"
_ID_IN_USE = "its id is in use by another job"


class LetterWork:
    """One operation on dead letters.

    Args:
        letters: For whom it is done.
        operations: Where its items are, if they are listed.
        wanted: Which, bound to what had died when it was planned.
    """

    def __init__(
        self, letters: DeadLetters, operations: Operations, plan: Plan, wanted: LetterFilter
    ) -> None:
        self._letters = letters
        self._operations = operations
        self._plan = plan
        self._wanted = wanted
        self._action = Action(plan.action)
        self._reach = Reach(read_scope(plan.scope))
        self._read: list[LetterHead] = []

    async def next(self, position: list[Any], most: int) -> Batch | None:
        """The letters behind a position, all of one queue."""
        if self._plan.is_listed:
            return await self._next_listed(position[0] if position else 0, most)
        at, *rest = position or [0]
        beyond: Place | None = (rest[0], rest[1]) if rest else None
        while at < len(self._plan.queues):
            if heads := await self._behind(self._plan.queues[at], beyond, most):
                return Batch(heads, _names(heads), [at, *heads[-1].place])
            at, beyond = at + 1, None
        return None

    async def act(self, batch: Batch) -> Outcome:
        """Replay or discard them."""
        if not batch.items:
            return Outcome(skipped=batch.gone)
        move = self._letters.replay_heads if self._action is Action.REPLAY else self._letters.forget_heads
        done = {head.letter for head in await move(batch.items)}
        others = [head for head in batch.items if head.letter not in done]
        there = await self._there([head.job_id for head in others])
        stuck = [head for head in others if head.letter in there]
        failures = [_failure(head, _ENVELOPE_GONE if head.body is None else _ID_IN_USE) for head in stuck]
        return Outcome(len(done), batch.gone + len(others) - len(stuck), failures)

    def failures(self, batch: Batch, why: str) -> Sequence[ItemFailure]:
        """That it could not be done to them."""
        return [_failure(head, why) for head in batch.items]

    async def done_of(self, names: Sequence[str]) -> int:
        """Those that are no letters any more."""
        letters = [_letter(name) for name in names]
        there = await self._there([job_id for job_id, _ in letters])
        self._read.clear()
        return sum(letter not in there for letter in letters)

    def _admits(self, head: LetterHead) -> bool:
        return self._reach.covers(head.queue.name, head.kind)

    async def _behind(self, queue: str, beyond: Place | None, most: int) -> Sequence[LetterHead]:
        """The oldest letters of a queue behind a place."""
        wanted = replace(self._wanted, queue=queue)
        read = [head for head in self._read if head.queue.name == queue and _is_behind(head, beyond)]
        while not read:
            turn = Turn(limit=_READ_AT_ONCE, newest_first=False, beyond=beyond)
            page = await self._letters.page(wanted, turn, self._admits)
            read, beyond = list(page.heads), page.edge
            if beyond is None:
                break
        self._read = read
        return read[:most]

    async def _next_listed(self, first: int, most: int) -> Batch | None:
        listed = [item.split("=", 1) for item in await self._operations.items(self._plan.id, first, most)]
        if not listed:
            return None
        queue = listed[0][0]
        ids = [job_id for _, job_id in takewhile(lambda item: item[0] == queue, listed)]
        heads = [
            head
            for head in await self._find(ids)
            if head.queue.name == queue and self._wanted.spans(head.died_ms) and self._admits(head)
        ]
        return Batch(heads, _names(heads), [first + len(ids)], len(ids) - len(heads))

    async def _find(self, job_ids: Sequence[str]) -> list[LetterHead]:
        found: list[LetterHead] = []
        async with aclosing(self._letters.select(job_ids)) as pages:
            async for page in pages:
                found += page
        return found

    async def _there(self, job_ids: Sequence[str]) -> set[tuple[str, int]]:
        return {head.letter for head in await self._find(job_ids)} if job_ids else set()


def bounded(wanted: LetterFilter, bound_ms: int) -> LetterFilter:
    """The same letters, but none that has died since."""
    if wanted.until is not None and as_ms(wanted.until) <= bound_ms:
        return wanted
    return replace(wanted, until=moment_of(bound_ms))


def _names(heads: Sequence[LetterHead]) -> list[str]:
    return [f"{head.died_ms}:{head.job_id}" for head in heads]


def _letter(name: str) -> tuple[str, int]:
    died_ms, _, job_id = name.partition(":")
    return job_id, int(died_ms)


def _is_behind(head: LetterHead, place: Place | None) -> bool:
    return place is not None and head.place > place


def _failure(head: LetterHead, why: str) -> ItemFailure:
    return ItemFailure(job_id=head.job_id, queue=head.queue.name, why=why)
