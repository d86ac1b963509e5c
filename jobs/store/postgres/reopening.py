"""Durable jobs whose dead letters are replayed: PostgreSQL must not hold them for ended any more.

It is committed before Redis has the job again, or a quick worker would find it ended, and end it once more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ..dead_letter import LetterHead
from ..execute import Transport
from .database import Database
from .kept_ends import drain
from .unit_of_work import UnitOfWork

#: What the enqueue script adds to a head.
_STAMP = re.compile(rb"\d+}\Z")


class Reopening:
    """What one replay has done to durable jobs, so that it can be undone."""

    def __init__(self, transport: Transport, database: Database) -> None:
        self._transport = transport
        self._database = database
        self._reopened: list[str] = []

    async def reopen(self, heads: Sequence[LetterHead], body: bytes | None) -> None:
        """Let the durable ones among these jobs of one queue not have ended.

        Args:
            body: What they will be instead, if it is not None.
        """
        durable = [head for head in heads if head.envelope is not None and head.envelope.meta.get("d")]
        if not durable:
            return
        # an end that PostgreSQL was not told of yet would end the job again
        await drain(self._transport, self._database, durable[0].queue)
        keys = [head.letter for head in durable]
        bodies = [_STAMP.sub(b"", body or head.body or b"") for head in durable]
        digests = [(head.envelope.digest if head.envelope else None) or "" for head in durable]

        async def work(unit: UnitOfWork) -> list[str]:
            return await unit.dead_letters.reopen_jobs(keys, bodies, digests)

        self._reopened = await self._database.transact(work)

    async def undo(self, *, except_for: Collection[str]) -> None:
        """End the jobs again whose letters were gone: somebody has discarded them meanwhile."""
        gone = [job_id for job_id in self._reopened if job_id not in except_for]
        if not gone:
            return

        async def work(unit: UnitOfWork) -> None:
            await unit.dead_letters.end_jobs_again(gone)

        await self._database.transact(work)
