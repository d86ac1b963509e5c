"""The first letters of a replay, watched: is the bug gone?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..errors import CorruptRecord
from ..failure import Cause, Failure
from ..record import decode_record
from ..state import State
from .dead_letter import LetterHead, read_failure
from .execute import Transport, execute
from .letter_scan import LetterScan
from .verbs import Standing, inspect


class Canary:
    """Letters that have been replayed, and what has become of each."""

    def __init__(self, transport: Transport, letters: Sequence[LetterHead]) -> None:
        self._transport = transport
        self._scan = LetterScan(transport)
        self._waiting = list(letters)
        self.size = len(letters)
        self.passed = 0
        self.failed = 0

    @property
    def is_dead(self) -> bool:
        """Whether more than half have failed again."""
        return self.failed * 2 > self.size

    @property
    def has_ended(self) -> bool:
        """Whether each has ended, or failed again."""
        return not self._waiting

    async def look(self) -> None:
        """See what has become of those that had not ended."""
        verdicts = await asyncio.gather(*map(self._verdict, self._waiting))
        self.passed += verdicts.count(True)
        self.failed += verdicts.count(False)
        self._waiting = [
            head for head, verdict in zip(self._waiting, verdicts, strict=True) if verdict is None
        ]

    def as_document(self) -> dict[str, Any]:
        return {"size": self.size, "passed": self.passed, "failed": self.failed}

    async def _verdict(self, head: LetterHead) -> bool | None:
        """True: it succeeded; False: it ended otherwise, or failed again; None: not known yet."""
        standing = await execute(self._transport, inspect(head.queue, head.job_id))
        if standing.what == "dead":
            return False
        if standing.what in ("ended", "unknown"):  # unknown: it has ended, and its kind keeps no result
            return _has_succeeded(standing)
        [browsed] = (await self._scan.browse(head.queue, [head.job_id])).values()
        failed = browsed.failure is not None and _tells_against(read_failure(browsed.failure))
        return False if failed else None


def _tells_against(failure: Failure) -> bool:
    """Whether the job has failed again, although it may be retried.

    An interruption says nothing, nor does a worker that was lost while it ran others, too.
    """
    if failure.cause is Cause.CRASH:
        return failure.crashes > 0
    return failure.cause in (Cause.ERROR, Cause.TIMEOUT, Cause.CORRUPTION)


def _has_succeeded(standing: Standing) -> bool:
    if standing.record is None:
        return True
    try:
        return decode_record(standing.record).state is State.SUCCEEDED
    except CorruptRecord:  # an app's own serializer wrote it; that it is there says that the job has run
        return True
